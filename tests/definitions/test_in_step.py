"""What is said of a plugin's settings, in three places, is what its `--about` says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tools import definitions

ROOT = definitions.ROOT
PLUGINS = list(definitions.PLUGINS)
MELTANO = yaml.safe_load((ROOT / "meltano.yml").read_text("utf-8"))
HUB_KEYS = {
    "capabilities",
    "description",
    "domain_url",
    "env",
    "executable",
    "keywords",
    "label",
    "maintenance_status",
    "name",
    "namespace",
    "pip_url",
    "settings",
    "settings_group_validation",
    "variant",
}
HUB_SETTING_KEYS = {"name", "label", "value", "kind", "description", "options", "sensitive"} | {
    "value_processor"
}
HUB_KINDS = {"integer", "options", "object", "array", "boolean", "string"}


def about(plugin: str) -> dict[str, Any]:
    """Ask the installed command."""
    command = [Path(sys.executable).parent / plugin, "--about", "--format", "json"]
    result = subprocess.run(command, check=True, capture_output=True, text=True)
    facts: dict[str, Any] = json.loads(result.stdout)
    return facts


@pytest.fixture(scope="module", params=PLUGINS)
def facts(request) -> dict[str, Any]:
    return about(request.param)


def in_meltano_yml(plugin: str) -> dict[str, Any]:
    kind = "extractors" if plugin.startswith("tap-") else "loaders"
    return next(entry for entry in MELTANO["plugins"][kind] if entry["name"] == plugin)


def in_hub(plugin: str) -> dict[str, Any]:
    definition: dict[str, Any] = yaml.safe_load((ROOT / definitions.hub_path(plugin)).read_text())
    return definition


def check_settings(listed: list[dict[str, Any]], facts: dict[str, Any]) -> None:
    """Hold a list of settings against `--about`: names, kinds, defaults, choices, secrets."""
    properties = facts["settings"]["properties"]
    assert [setting["name"] for setting in listed] == list(properties)
    for setting in listed:
        wanted = properties[setting["name"]]
        types = wanted.get("type", "string")
        given = setting.get("value")
        default = wanted.get("default")
        assert given in (default, json.dumps(default)) or (given is None and not default)
        assert setting["description"] == " ".join(wanted["description"].split())
        assert setting.get("sensitive", False) == wanted.get("secret", False)
        assert setting["label"]
        options = [option["value"] for option in setting.get("options", [])]
        if setting["kind"] == "options":
            assert "boolean" in types
            assert {True, False, "true", "false"} <= set(options)
        else:
            assert options == [choice for choice in wanted.get("enum", []) if choice]
        if setting["kind"] in {"integer", "boolean", "object", "array"}:
            assert setting["kind"] in types
        if "value" in setting:
            assert type(given) is type(default)


def test_meltano_yml_has_the_settings_that_the_plugin_has(facts):
    check_settings(in_meltano_yml(facts["name"])["settings"], facts)


def test_the_hub_definition_has_the_settings_that_the_plugin_has(facts):
    check_settings(in_hub(facts["name"])["settings"], facts)


def test_the_hub_definition_has_the_form_that_meltanohub_asks_for(facts):
    definition = in_hub(facts["name"])
    assert set(definition) - {"select"} == HUB_KEYS
    assert definition["name"] == definition["executable"] == facts["name"]
    assert definition["namespace"] == facts["name"].replace("-", "_")
    assert definition["description"] == facts["description"]
    assert definition["capabilities"] == facts["capabilities"]
    names = set()
    for setting in definition["settings"]:
        assert set(setting) <= HUB_SETTING_KEYS
        assert setting["kind"] in HUB_KINDS
        names.add(setting["name"])
    for combination in definition["settings_group_validation"]:
        assert combination
        assert set(combination) <= names


def test_the_hub_definition_requires_credentials_and_not_a_dry_run(facts):
    for combination in in_hub(facts["name"])["settings_group_validation"]:
        assert "dry_run" not in combination


def test_the_hub_definition_has_no_kind_with_which_meltano_changes_or_shows_a_wrong_value(facts):
    # Meltano reads "ture" of kind boolean as false, and shows a malformed object in a stack trace.
    # Only an object keeps the nulls of stream maps.
    for setting in in_hub(facts["name"])["settings"]:
        kinds = {"object"} if setting["name"] == "stream_maps" else {"string", "integer", "options"}
        assert setting["kind"] in kinds


def test_the_tap_selects_the_54_event_types_of_the_native_connector():
    selected = in_hub("tap-braze-currents")["select"]
    assert len(selected) == 54
    assert json.loads((ROOT / definitions.NATIVE_EVENTS).read_text("utf-8")) == selected
    prod = next(entry for entry in MELTANO["environments"] if entry["name"] == "prod")
    extractors = prod["config"]["plugins"]["extractors"]
    tap = next(entry for entry in extractors if entry["name"] == "tap-braze-currents")
    assert sorted(tap["select"]) == sorted(selected)


def test_capabilities_in_meltano_yml_are_the_plugins_own(facts):
    listed = in_meltano_yml(facts["name"])["capabilities"]
    assert set(listed) <= set(facts["capabilities"])


def test_the_readme_has_a_row_for_each_setting_with_its_default(facts):
    text = (ROOT / "README.md").read_text("utf-8")
    table = re.search(rf"<!-- settings of {facts['name']} -->\n(.*?)<!-- end -->", text, re.DOTALL)
    assert table
    rows = {}
    for line in table[1].splitlines()[2:]:
        name, default, meaning = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        rows[name.strip("`")] = (default.strip("`"), meaning.replace("\\|", "|"))
    properties = {
        name: wanted
        for name, wanted in facts["settings"]["properties"].items()
        if definitions.is_own(name)
    }
    assert list(rows) == list(properties)
    for name, wanted in properties.items():
        default, meaning = rows[name]
        expected = wanted.get("default")
        if expected in (None, ""):
            assert default == "none"
        else:
            assert default == (expected if isinstance(expected, str) else json.dumps(expected))
        assert meaning.startswith(" ".join(wanted["description"].split()))
        assert meaning.endswith(" Secret.") == wanted.get("secret", False)


def test_every_written_file_is_up_to_date():
    for name, bring_up_to_date in definitions.WRITTEN.items():
        text = (ROOT / name).read_text("utf-8")
        assert bring_up_to_date(text) == text, f"{name}: run python -m tools.definitions"


@pytest.mark.parametrize("kind", ["extractors", "loaders"])
def test_every_plugin_of_meltano_yml_tells_what_its_settings_mean(kind):
    for plugin in MELTANO["plugins"][kind]:
        for setting in plugin.get("settings", []):  # a plugin that inherits has none
            assert setting["kind"]
            assert setting["description"]
            secret_name = re.search("password|secret|api_key|_key$", setting["name"])
            assert not secret_name or setting["sensitive"]
