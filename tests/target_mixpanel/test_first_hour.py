"""Mistakes of a first hour with the installed command: one line each, and an exit code."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.errors import InputError
from target_mixpanel.target import TargetMixpanel
from tests.target_mixpanel.harness import open_record, opens, record, run, schema, settings, state

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).with_name("target-mixpanel")


def command(
    folder: Path,
    *arguments: str,
    data: bytes = b"",
    environment: dict[str, str] | None = None,
    before: Callable[[], Any] | None = None,
    stdout: Any = subprocess.PIPE,
) -> tuple[int, str]:
    """Run it; gives its exit code and the one line that reports the mistake."""
    done = subprocess.run(
        [str(COMMAND), *arguments],
        input=data,
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        preexec_fn=before,
        timeout=60,
        check=False,
    )
    log = done.stderr.decode()
    assert "Traceback" not in log
    assert "Exception ignored" not in log
    errors = [line for line in log.splitlines() if "ERROR" in line]
    assert len(errors) <= 1
    return done.returncode, errors[0] if errors else ""


def config(folder: Path, values: Any) -> str:
    path = folder / "config.json"
    path.write_text(values if isinstance(values, str) else json.dumps(values))
    return f"--config={path}"


@pytest.mark.parametrize(
    ("text", "said"), [('{"region":', "Give a JSON file"), ("[1]", "not a JSON object")]
)
def test_a_config_file_that_is_no_json_object(tmp_path, text, said) -> None:
    code, line = command(tmp_path, config(tmp_path, text))
    assert code == 78
    assert said in line


def test_a_config_file_that_is_not_there(tmp_path) -> None:
    code, line = command(tmp_path, "--config=nowhere.json")
    assert code == 78
    assert "'nowhere.json' was not found. Give a JSON file" in line


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("batch_size", "many", "'many' is not of type"),
        ("streams", "{orders", "it must be JSON of type object. "),  # its value can hold a secret
        ("dry_run", "ture", "'ture' is not of type"),
    ],
)
def test_an_environment_variable_of_the_wrong_type(
    monkeypatch, caplog, name, text, problem
) -> None:
    monkeypatch.setenv(f"TARGET_MIXPANEL_{name.upper()}", text)
    monkeypatch.setenv("TARGET_MIXPANEL_PROJECT_TOKEN", "token")
    with pytest.raises(SystemExit) as ended:
        TargetMixpanel.cli(["--config=ENV", "--check"])
    assert ended.value.code == 78
    assert f"Setting {name} is wrong: {problem}" in caplog.text


@pytest.mark.parametrize("value", [" token", "token\n"])
def test_credentials_copied_with_white_space(tmp_path, value) -> None:
    arguments = config(tmp_path, {"project_token": value})
    code, line = command(tmp_path, arguments)
    assert code == 78
    assert "project_token" in line
    assert "white space" in line


@pytest.mark.parametrize("source", [b"", b"\n", state(1)])
def test_an_input_without_any_stream(mixpanel, tmp_path, source) -> None:
    result = run(source, mixpanel, tmp_path)
    assert isinstance(result.error, InputError)
    assert ("select" if source else "input is empty") in str(result.error)


NAMES = {
    "streams": {"orders": {"event": "Order", "distinct_id": "u", "time": "t"}},
    "event_names": {"orders.placed": "Order"},
    "stream_maps": {"orders": {"email": None}},
}


def test_an_empty_dead_letter_is_nothing_to_replay_whatever_the_settings_name(
    mixpanel, tmp_path
) -> None:
    file = tmp_path / "empty.jsonl"
    file.touch()
    with file.open("rb") as source:
        assert run(source, mixpanel, tmp_path, **NAMES).error is None


@pytest.mark.parametrize("source", [b"", b"\n", state(1)])
def test_of_an_input_without_any_stream_no_name_in_the_settings_is_the_cause(
    mixpanel, tmp_path, source
) -> None:
    result = run(source, mixpanel, tmp_path, **NAMES)
    assert isinstance(result.error, InputError)
    assert "orders" not in str(result.error)


def test_a_stream_with_nothing_new_is_no_mistake(mixpanel, tmp_path) -> None:
    assert run(schema(), mixpanel, tmp_path).error is None


def test_a_disk_that_fills_up_with_dead_letters(mixpanel, tmp_path) -> None:
    values = settings(mixpanel, tmp_path, max_rejected_ratio=1)
    bad = b"".join(record(open_record(number, id="x" * 99)) for number in range(999))
    code, line = command(
        tmp_path,
        config(tmp_path, values),
        data=schema() + bad + state(1),
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert code == 78
    assert "dead_letter_path" in line


def test_a_disk_that_fills_up_in_a_dry_run(tmp_path) -> None:
    code, line = command(
        tmp_path,
        config(tmp_path, settings(None, tmp_path, dry_run=True)),
        data=schema() + opens(999),
        before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
    )
    assert code == 78
    assert "dry_run_path" in line


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_state_that_nobody_can_take(mixpanel, tmp_path) -> None:
    arguments = config(tmp_path, settings(mixpanel, tmp_path))
    with Path("/dev/full").open("wb") as full:
        code, line = command(tmp_path, arguments, data=schema() + opens(3) + state(1), stdout=full)
    assert code == 75
    assert "STATE cannot be written" in line
    assert mixpanel.count == 3


def test_two_runs_at_the_same_time_deliver_each_event_once(mixpanel, tmp_path) -> None:
    arguments = config(tmp_path, settings(mixpanel, tmp_path))
    source = schema() + opens(200) + state(1)
    processes = [
        subprocess.Popen(
            [str(COMMAND), arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=tmp_path,
        )
        for _ in range(2)
    ]
    for process in processes:
        process.communicate(source, timeout=60)
    assert [process.returncode for process in processes] == [0, 0]
    assert mixpanel.count == 200
