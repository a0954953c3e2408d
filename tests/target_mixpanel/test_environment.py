"""The installed command and its environment: misspelt variables, and the log at the start."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.target_mixpanel.harness import opens, schema, settings, state

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("target-mixpanel")
PREFIX = "TARGET_MIXPANEL_"
SOURCE = schema() + opens(2) + state(1)


def config(folder: Path, server=None, **changes) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(settings(server, folder, **changes)))
    return f"--config={path}"


def command(
    folder: Path, *arguments: str, data: bytes = SOURCE, **variables: str
) -> tuple[int, str]:
    """Give the exit code and the log."""
    done = subprocess.run(
        [COMMAND, *arguments],
        input=data,
        capture_output=True,
        cwd=folder,
        env={**os.environ, **{f"{PREFIX}{name}": text for name, text in variables.items()}},
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr.decode()


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("DRYRUN", "DRY_RUN (setting dry_run)"),
        ("SERVICE_ACOUNT_USERNAME", "SERVICE_ACCOUNT_USERNAME"),
        ("REGOIN", "REGION"),
        ("API_SECRETS", "API_SECRET"),
        ("RETRY_SECOND", "RETRY_SECONDS"),
    ],
)
def test_a_misspelt_variable_ends_the_run_before_anything_is_sent(
    mixpanel, tmp_path, name, meant
) -> None:
    arguments = config(tmp_path, mixpanel, service_account_username=None, api_secret=None)
    code, log = command(tmp_path, arguments, **{name: "true"})
    assert code == 78
    assert f"did you mean {PREFIX}{meant}" in log
    assert not mixpanel.requests


@pytest.mark.parametrize("name", ["COLOR", "CONCURENCY"])
def test_another_strange_variable_is_warned_of(mixpanel, tmp_path, name) -> None:
    code, log = command(tmp_path, config(tmp_path, mixpanel, concurrency=3), **{name: "x"})
    assert code == 0
    assert f"{PREFIX}{name} names no setting" in log


@pytest.mark.parametrize(
    "name",
    [
        "LOGLEVEL",
        "_SELECT",
        "_LOAD_SCHEMA",
        "EU_DRY_RUN",
        "EU__SELECT",
        "EU_STREAMS_ORDERS_EVENT",
        "BATCH_CONFIG_ENCODING",
    ],
)
def test_variables_of_meltano_and_of_inherited_plugins_are_left_alone(
    mixpanel, tmp_path, name
) -> None:
    code, log = command(tmp_path, config(tmp_path, mixpanel), **{name: "INFO"})
    assert code == 0
    assert "names no setting" not in log


def test_variables_that_nobody_asked_to_read_are_named(mixpanel, tmp_path) -> None:
    variables = {"PROJECT_TOKEN": "project-token", "API_URL": mixpanel.url}
    code, log = command(tmp_path, **variables)
    assert code == 78
    assert f"{PREFIX}API_URL" in log
    assert f"not read: {PREFIX}PROJECT_TOKEN" in log
    assert "Add --config ENV" in log
    code, log = command(tmp_path, "--config=ENV", **variables)
    assert code == 0
    assert "not read" not in log
    code, log = command(tmp_path, config(tmp_path, mixpanel), RETRY_SECONDS="9")
    assert code == 0
    assert f"not read: {PREFIX}RETRY_SECONDS. Add --config ENV" in log


def test_a_real_run_says_where_it_sends_and_a_dry_one_does_not(mixpanel, tmp_path) -> None:
    line = f"This run sends to {mixpanel.url}, project 12345"
    assert line in command(tmp_path, config(tmp_path, mixpanel))[1]
    token = {"service_account_username": None, "service_account_password": None}
    token |= {"project_id": None, "project_token": "project-token"}
    log = command(tmp_path, config(tmp_path, mixpanel, **token))[1]
    assert f"This run sends to {mixpanel.url}, project of the project token" in log
    assert "This run sends" not in command(tmp_path, config(tmp_path, mixpanel, dry_run=True))[1]


@pytest.mark.parametrize("change", [{"project_id": "999"}, {"region": "mars"}])
def test_a_command_that_failed_lets_the_tap_end_before_it_does(mixpanel, tmp_path, change) -> None:
    process = subprocess.Popen(
        [COMMAND, config(tmp_path, mixpanel, **change)],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert process.stdin
    assert process.stderr
    while b"ERROR" not in process.stderr.readline():
        pass
    for _ in range(20):
        process.stdin.write(opens(1000))
        process.stdin.flush()
        time.sleep(0.02)
    process.communicate(timeout=60)
    assert process.returncode == 78


def test_a_command_that_failed_does_not_wait_for_ever_and_heeds_a_signal(
    mixpanel, tmp_path
) -> None:
    process = subprocess.Popen(
        [COMMAND, config(tmp_path, mixpanel, region="mars")],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stderr
    while b"ERROR" not in process.stderr.readline():
        pass
    time.sleep(0.5)
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)


@pytest.mark.parametrize("option", ["--check", "--input=nowhere"])
def test_a_command_that_does_not_read_its_input_ends_at_once(tmp_path, option) -> None:
    process = subprocess.Popen(
        [COMMAND, config(tmp_path, region="mars"), option],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert process.wait(timeout=60)  # its input stays open
    process.communicate()
