"""No secret of any setting is shown, in whatever form it is given and whatever is wrong with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.settings.mistakes import find_mistakes
from tap_braze_currents.tap import TapBrazeCurrents
from tap_mixpanel_cohorts.tap import TapMixpanelCohorts
from target_braze_cohorts.target import TargetBrazeCohorts
from target_mixpanel.target import TargetMixpanel
from tests.conftest import a_part
from tests.fakes.misbehaving_server import misbehaving

if TYPE_CHECKING:
    from braze_mixpanel.sdk import SingerPlugin

BIN = Path(sys.executable).parent
MARK = "MARK-of-a-secret-77"
URL = f"http://user:{MARK}@127.0.0.1:1/x?sig={MARK}&X-Amz-Signature={MARK}"
PLUGINS: tuple[type[SingerPlugin], ...] = (
    TapBrazeCurrents,
    TapMixpanelCohorts,
    TargetBrazeCohorts,
    TargetMixpanel,
)
BASE: dict[str, dict[str, Any]] = {
    "tap-braze-currents": {"storage_url": "http://127.0.0.1:1/x", "settle_seconds": 0},
    "tap-mixpanel-cohorts": {
        "api_url": "http://127.0.0.1:1",
        "api_secret": "another-secret",
        "retry_seconds": 0,
    },
    "target-braze-cohorts": {
        "rest_endpoint": "http://127.0.0.1:1",
        "api_key": "another-secret",
        "delivery": "attribute",
        "retry_seconds": 0,
    },
    "target-mixpanel": {
        "api_url": "http://127.0.0.1:1",
        "project_token": "another-secret",
        "retry_seconds": 0,
    },
}
INPUT = b'{"type":"SCHEMA","stream":"cohorts","schema":{"properties":{}},"key_properties":[]}\n'


def settings_of(plugin: type[SingerPlugin]) -> dict[str, dict[str, Any]]:
    """Every setting there is, the SDK's included, so that a new one is covered."""
    schema = json.loads(json.dumps(plugin.config_jsonschema))
    plugin.append_builtin_config(schema)
    return schema["properties"]


CASES = [
    (plugin.name, name, bool(definition.get("secret")))
    for plugin in PLUGINS
    for name, definition in settings_of(plugin).items()
]
FORMS: dict[str, Any] = {
    "text": MARK,
    "url": URL,
    "object": {"password": MARK, "nested": [{"token": MARK}], "url": URL},
    "cut JSON": f'{{"storage":{{"params":{{"secret":"{MARK}"}}',
}
PUBLIC = ("url",)
"""A setting that holds no secret may still be a URL with one."""


def shown(folder: Path, command: str, config: dict[str, Any], **environment: str) -> str:
    """Everything that a run shows or leaves behind."""
    (folder / "config.json").write_text(json.dumps(config))
    kept = {n: v for n, v in os.environ.items() if not n.startswith(("TAP_", "TARGET_"))}
    level = f"{command.upper().replace('-', '_')}_LOGLEVEL"
    done = subprocess.run(
        [BIN / command, "--config", folder / "config.json"],
        input=INPUT,
        capture_output=True,
        cwd=folder,
        env={**kept, level: "DEBUG", **environment},
        timeout=60,
        check=False,
    )
    files = [file for file in folder.rglob("*") if file.is_file() and file.name != "config.json"]
    left = b"".join(file.read_bytes() for file in files)
    return (done.stdout + done.stderr + left).decode("utf-8", "replace")


FORMS_OF_SETTINGS = [
    (command, setting, form)
    for command, setting, is_secret in CASES
    for form in (FORMS if is_secret or setting == "batch_config" else PUBLIC)
]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "setting", "form"), a_part(FORMS_OF_SETTINGS, one_of=5))
def test_a_secret_in_a_setting_is_shown_nowhere(command, setting, form, tmp_path) -> None:
    text = shown(tmp_path, command, {**BASE[command], setting: FORMS[form]})
    assert MARK not in text, [line for line in text.splitlines() if MARK in line][:2]


HOLDERS: tuple[Any, ...] = (
    [MARK],
    [{"secret": MARK}],
    {"a": [MARK]},
    {"storage": [MARK]},
    {"storage": {"root": "s3://b", "params": [MARK]}},
    {"storage": {"root": {"secret": MARK}, "params": {}}, "encoding": [MARK]},
    {"encoding": {"format": {"secret": MARK}}},
)


@pytest.mark.parametrize("plugin", PLUGINS, ids=lambda plugin: plugin.name)
@pytest.mark.parametrize("value", HOLDERS, ids=str)
def test_no_object_in_the_wrong_place_is_shown(plugin, value) -> None:
    schema = {"properties": settings_of(plugin)}
    for setting in schema["properties"]:
        config = {**BASE[plugin.name], setting: json.loads(json.dumps(value))}
        assert MARK not in " ".join(find_mistakes(config, schema, "X_")), setting


@pytest.mark.parametrize("storage", [MARK, {"root": "s3://b", "params": MARK}], ids=str)
def test_credentials_in_the_place_of_the_storage_are_not_shown(storage) -> None:
    config = {**BASE["tap-braze-currents"], "batch_config": {"storage": storage}}
    mistakes = find_mistakes(config, {"properties": settings_of(TapBrazeCurrents)}, "X_")
    assert MARK not in " ".join(mistakes)


VARIABLES = ("AWS_SESSION_TOKEN", "AWS_SECRET_ACCESS_KEY", "AZURE_STORAGE_KEY", "SOME_PASSWORD")
IN_THE_ENVIRONMENT = [(command, variable) for command in BASE for variable in VARIABLES]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "variable"), a_part(IN_THE_ENVIRONMENT, one_of=3))
def test_a_secret_of_the_environment_is_not_shown(command, variable, tmp_path) -> None:
    more = {"storage_url": "s3://bucket/x"} if command == "tap-braze-currents" else {}
    endpoint = {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_MAX_ATTEMPTS": "1",
    }
    text = shown(tmp_path, command, {**BASE[command], **more}, **{**endpoint, variable: MARK})
    assert MARK not in text


@pytest.mark.parametrize("command", BASE)
@pytest.mark.parametrize(
    "text",
    [
        f'{{"api_secret": "{MARK}"}}',
        f'{{"a": "{MARK}"',
        f"[{MARK}]{{",
        f"api_secret={MARK}",
        f'"api_secret": "{MARK}"',
        f"x: 1\napi_secret: {MARK}",
    ],
)
def test_settings_as_the_text_of_the_option_are_not_shown(command, text, tmp_path) -> None:
    done = subprocess.run(
        [BIN / command, "--config", text], capture_output=True, input=b"", cwd=tmp_path, check=False
    )
    assert done.returncode == 78
    assert MARK not in (done.stdout + done.stderr).decode()


ECHO = json.dumps(
    {
        "error": f"you sent {MARK}",
        "message": f"you sent {MARK}",
        "status": MARK,
        "failed_records": [{"index": 0, "field": MARK, "message": f"you sent {MARK}"}],
        "num_records_imported": 0,
        "errors": [{"index": 0, "type": MARK}, MARK],
    }
).encode()
SECRET_OF = {
    "tap-mixpanel-cohorts": "api_secret",
    "target-braze-cohorts": "api_key",
    "target-mixpanel": "api_secret",  # a project token is no secret: web pages hold it
}
ADDRESS = {"target-braze-cohorts": "rest_endpoint"}


STATUSES = (b"200 OK", b"400 Bad", b"401 No", b"403 No", b"500 Oh", b"418 Tea")
REPEATED = [(command, status) for status in STATUSES for command in SECRET_OF]


@pytest.mark.slow
@pytest.mark.parametrize(("command", "status"), a_part(REPEATED, one_of=2))
def test_a_secret_that_a_server_repeats_is_not_shown(command, status, tmp_path) -> None:
    head = b"HTTP/1.1 %s\r\nX: %s\r\nContent-Length: %d\r\n\r\n"
    answer = head % (status, MARK.encode(), len(ECHO)) + ECHO
    with misbehaving(lambda connection: connection.sendall(answer)) as url:
        config = {**BASE[command], SECRET_OF[command]: MARK}
        config[ADDRESS.get(command, "api_url")] = url
        text = shown(
            tmp_path,
            command,
            {**config, "report_path": "report.html"} if "target" in command else config,
        )
    assert MARK not in text
