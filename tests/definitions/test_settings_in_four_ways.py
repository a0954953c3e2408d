"""Each setting of each plugin has the same value, in all four ways."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from singer_sdk.plugin_base import PluginBase

from tests.end_to_end.project import Project
from tools import definitions

pytestmark = pytest.mark.slow

HELPER = Path(__file__).with_name("meltano_settings.py")
PLUGINS = list(definitions.PLUGINS)
SPECIAL: dict[str, Any] = {
    "storage_options": {"key": "user", "client_kwargs": {"region_name": "eu-west-1"}},
    "start_date": "2026-01-02",
    "end_date": "2026-01-03T04:00:00Z",
    "min_event_time": "2020-01-01",
    "event_names": {"users.messages.email.Open": "Opened", "users_canvas_entry": "Entered"},
    "streams": {
        "public.orders": {"event": "Order", "distinct_id": "customer", "time": "at"},
        "visits": {"event": "Visit", "time": "at", "insert_id": "id"},
    },
    "stream_maps": {
        "users_messages_email_open": {"email_address": None, "name": "__NULL__"},
        "public.orders": {"email": None, "total": "float(total)", "__filter__": "total > 1"},
        "visits": "__NULL__",
        "__else__": None,
    },
    "stream_map_config": {"hash_seed": "salt"},
    "faker_config": {"seed": 5},
    "batch_config": {
        "encoding": {"format": "jsonl", "compression": "gzip"},
        "storage": {"root": "file:///data", "prefix": "x"},
    },
    "cohorts": [1000, "VIP, Gold"],
    "cohort_ids": [1000, "VIP, Gold"],
    "allow_removals_for": [1000, "VIP, Gold"],
    "profile_properties": ["$braze_external_id", "plan"],
    "max_rejected_ratio": 0.25,
    "max_removal_ratio": 0.25,
    "changes_stream": "my_changes",
    "api_url": "http://localhost:1",
    "rest_endpoint": "http://localhost:1",
    "membership_db": "sqlite:///other.db",
    "inbox_db": "sqlite:///inbox.db",
}


def wanted_values(plugin: str) -> dict[str, Any]:
    """A value for each setting that is not its default."""
    values = {}
    for name, definition in definitions.settings_of(plugin).items():
        types = definition["type"]
        if name in SPECIAL:
            values[name] = SPECIAL[name]
        elif "enum" in definition:
            values[name] = [choice for choice in definition["enum"] if choice][-1]
        elif "boolean" in types:
            values[name] = not definition.get("default")
        elif "integer" in types and "string" not in types:
            values[name] = 7
        elif "object" in types:
            values[name] = {"key": "user", "region_name": "eu-west-1"}
        elif "array" in types:
            values[name] = ["one", "two"]
        else:
            values[name] = f"text of {name}"
    return values


def as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def variable(plugin: str, name: str) -> str:
    return f"{plugin}_{name}".replace("-", "_").upper()


def from_meltano(
    project: Project, plugin: str, to_set: dict[str, str], **variables: str
) -> dict[str, Any]:
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MELTANO", "TAP_", "TARGET_"))
    }
    done = subprocess.run(
        [sys.executable, HELPER, plugin],
        input=json.dumps(to_set),
        capture_output=True,
        text=True,
        cwd=project.folder,
        env={**keep, **variables},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    given: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return given


@pytest.fixture
def project(tmp_path) -> Project:
    project = Project.make(tmp_path / "project", None)
    path = project.folder / "meltano.yml"
    content = yaml.safe_load(path.read_text("utf-8"))
    content["environments"] = [{"name": "dev"}]
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")
    return project


def keep_only(project: Project, plugin: str) -> None:
    """Leave the other plugins out of meltano.yml: Meltano writes it again for each setting."""
    path = project.folder / "meltano.yml"
    content = yaml.safe_load(path.read_text("utf-8"))
    content["plugins"] = {
        kind: [entry for entry in entries if entry["name"] == plugin]
        for kind, entries in content["plugins"].items()
    }
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def seen(plugin: str, config: dict[str, Any], **options: bool) -> dict[str, Any]:
    """What the plugin works with, of the settings that it is given; no stream is set up."""
    made: Any = object.__new__(definitions.PLUGINS[plugin])
    PluginBase.__init__(made, config=config, validate_config=False, **options)
    return dict(made.config)


def differences(plugin: str, config: dict[str, Any], **options: bool) -> dict[str, tuple[Any, Any]]:
    """Settings whose value is not the one that was given: what the plugin has, what it should."""
    is_text_too = {
        name
        for name, definition in definitions.settings_of(plugin).items()
        if "string" in definition["type"]
    }
    read, wanted = seen(plugin, config, **options), wanted_values(plugin)
    found = {}
    for name, value in wanted.items():
        got = read.get(name)
        # A ratio may be text to the end: it is read as a number where it is used.
        is_same = got == value or (name in is_text_too and str(got) == str(value))
        if not is_same or (name not in is_text_too and type(got) is not type(value)):
            found[name] = (got, value)
    return found


@pytest.mark.parametrize("plugin", PLUGINS)
def test_in_the_config_file(plugin) -> None:
    assert not differences(plugin, wanted_values(plugin))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_in_the_environment_without_meltano(plugin, monkeypatch) -> None:
    for name, value in wanted_values(plugin).items():
        monkeypatch.setenv(variable(plugin, name), as_text(value))
    assert not differences(plugin, {}, parse_env_config=True)


@pytest.mark.parametrize("plugin", PLUGINS)
def test_in_meltano_yml(plugin, project) -> None:
    configure(project, plugin, wanted_values(plugin))
    assert not differences(plugin, from_meltano(project, plugin, {}))


@pytest.mark.parametrize("plugin", PLUGINS)
def test_by_meltano_config_set(plugin, project) -> None:
    keep_only(project, plugin)
    texts = {name: as_text(value) for name, value in wanted_values(plugin).items()}
    given = from_meltano(project, plugin, texts)
    assert not differences(plugin, given)
    content = yaml.safe_load((project.folder / "meltano.yml").read_text("utf-8"))
    entries = [entry for kind in content["plugins"].values() for entry in kind]
    stored = next(entry for entry in entries if entry["name"] == plugin)["config"]
    for name, definition in definitions.settings_of(plugin).items():
        if definitions.kind_of(name, definition) == "integer":
            assert stored[name] == 7


@pytest.mark.parametrize("plugin", PLUGINS)
def test_in_the_environment_of_meltano(plugin, project) -> None:
    texts = {
        variable(plugin, name): as_text(value) for name, value in wanted_values(plugin).items()
    }
    assert not differences(plugin, from_meltano(project, plugin, {}, **texts))


@pytest.mark.parametrize(
    ("name", "text"),
    [("batch_size", "many"), ("batch_size", "1.5"), ("dry_run", "ture"), ("dry_run", "")],
)
def test_meltano_refuses_a_wrong_number_or_boolean_when_it_is_set(project, name, text) -> None:
    before = (project.folder / "meltano.yml").read_text("utf-8")
    done = subprocess.run(
        [Path(sys.executable).with_name("meltano"), "config", "set", "target-mixpanel", name, text],
        cwd=project.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode
    assert (project.folder / "meltano.yml").read_text("utf-8") == before


MALFORMED = '{"key": "user" "secret": "TOP-SECRET-VALUE"}'


@pytest.mark.parametrize("plugin", PLUGINS)
def test_a_malformed_object_is_one_line_without_its_value(plugin, project) -> None:
    names = [
        name
        for name, definition in definitions.settings_of(plugin).items()
        if {"object", "array"} & set(definition["type"]) and name != definitions.NULLS_COUNT
    ]
    done = invoke(project, plugin, {variable(plugin, name): MALFORMED for name in names})
    assert done.returncode
    said = done.stdout + done.stderr
    assert "TOP-SECRET-VALUE" not in said
    assert "Traceback" not in said
    for name in names:
        assert said.count(f"Setting {name} is wrong: it must be JSON") == 1


def test_a_stream_whose_map_is_null_in_meltano_yml_is_not_sent_unchanged(project) -> None:
    configure(project, "target-mixpanel", {"stream_maps": {"users_messages_email_open": None}})
    done = invoke(project, "target-mixpanel", {"TARGET_MIXPANEL_DRY_RUN": "true"})
    assert done.returncode
    assert "users_messages_email_open is empty" in done.stdout + done.stderr


def configure(project: Project, plugin: str, config: dict[str, Any]) -> None:
    """Write a plugin's settings into meltano.yml."""
    path = project.folder / "meltano.yml"
    content = yaml.safe_load(path.read_text("utf-8"))
    (entry,) = (
        entry
        for kind in ("extractors", "loaders")
        for entry in content["plugins"][kind]
        if entry["name"] == plugin
    )
    entry["config"] = config
    path.write_text(yaml.safe_dump(content, sort_keys=False), "utf-8")


def invoke(
    project: Project, plugin: str, variables: dict[str, str]
) -> subprocess.CompletedProcess[str]:
    keep = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("MELTANO", "TAP_", "TARGET_"))
    }
    option = "--test=schema" if plugin.startswith("tap-") else "--check"
    return subprocess.run(
        [Path(sys.executable).with_name("meltano"), "invoke", plugin, option],
        cwd=project.folder,
        env={**keep, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
