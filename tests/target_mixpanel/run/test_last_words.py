"""What the end of a run says: the first cause, the reasons once, and what STATE covers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from braze_mixpanel.errors import InputError, StoppedError, run_all
from target_mixpanel.run.quoted_words import without_values
from target_mixpanel.run.stopped import stopped_error
from tests.fakes import mixpanel_faults as faults
from tests.target_mixpanel.harness import opens, record, run, schema, settings, state

COMMAND = Path(sys.executable).with_name("target-mixpanel")
SOURCE = schema() + opens(3) + state(1)
REJECTED = {
    "code": 400,
    "num_records_imported": 0,
    "failed_records": [
        {"index": index, "field": "properties.time", "message": f"time of user-{index} is wrong"}
        for index in range(3)
    ],
}


def closing_table(caplog) -> str:
    (table,) = (
        r.getMessage() for r in caplog.records if "Outcome of every record" in r.getMessage()
    )
    return str(table)


def test_mixpanels_own_words_stand_once_and_without_a_persons_id(
    mixpanel, tmp_path, caplog
) -> None:
    caplog.set_level("INFO")
    mixpanel.policy = [None, faults.Answer(400, body=json.dumps(REJECTED).encode())]
    run(SOURCE, mixpanel, tmp_path)
    table = closing_table(caplog)
    assert table.count("Mixpanel says") == 1
    assert 'rejected by Mixpanel: properties.time: Mixpanel says "time of … is wrong"' in table


def test_a_rule_of_the_target_explains_itself_once(tmp_path, caplog) -> None:
    caplog.set_level("INFO")
    wrong = b"".join(
        record({"id": f"e{n}", "external_user_id": "u", "time": "20230808120000Z"})
        for n in range(3)
    )
    run(schema() + wrong, None, tmp_path, dry_run=True)
    assert closing_table(caplog).count("neither a number nor ISO 8601") == 1


@pytest.mark.parametrize(
    ("message", "left"),
    [
        ("'anna@example.com' is no id", "'…' is no id"),
        ("time 1790000000 is wrong", "time … is wrong"),
        ("must be a number", "must be a number"),
        ("x" * 500, "x" * 10),
    ],
)
def test_the_values_of_an_event_are_not_quoted(message, left) -> None:
    record = {"time": 1790000000, "a": ["anna@example.com"], "b": True, "c": None}
    assert without_values(message, record).startswith(left)
    assert len(without_values(message, record)) <= 210


def test_the_first_error_is_raised_and_every_step_is_done() -> None:
    done = []

    def failing(name: str) -> None:
        done.append(name)
        raise InputError(name)

    with pytest.raises(InputError, match="first"):
        run_all(lambda: failing("first"), lambda: failing("second"), lambda: done.append("third"))
    assert done == ["first", "second", "third"]


def test_a_cut_input_stays_the_cause_though_delivery_fails_later(
    mixpanel, tmp_path, caplog
) -> None:
    mixpanel.policy = [None, faults.Answer(401)]
    done = run(SOURCE + b'{"type": "REC', mixpanel, tmp_path)
    assert isinstance(done.error, InputError)
    assert "refuses the credentials" in caplog.text
    assert not done.states


@pytest.mark.parametrize("has_written_state", [True, False])
@pytest.mark.parametrize("under_way", [0, 7])
def test_a_stopped_run_says_what_is_open_and_what_state_covers(
    under_way, has_written_state
) -> None:
    said = str(
        stopped_error(
            signal.SIGTERM,
            under_way=under_way,
            has_written_state=has_written_state,
            dry_run=False,
        )
    )
    assert ("7 events have no outcome" in said) == bool(under_way)
    assert ("No STATE was written" in said) != has_written_state


def test_a_stopped_dry_run_says_that_its_file_is_not_complete() -> None:
    said = stopped_error(signal.SIGINT, under_way=3, has_written_state=False, dry_run=True)
    assert isinstance(said, StoppedError)
    assert "not complete" in str(said)


def test_an_input_without_a_line_points_to_the_tap(tmp_path) -> None:
    done = run(b"", None, tmp_path, dry_run=True)
    assert isinstance(done.error, InputError)
    assert "its own message says why" in str(done.error)
    assert "no stream at all" not in str(done.error)


def test_an_empty_file_is_a_dead_letter_with_nothing_in_it(tmp_path) -> None:
    (tmp_path / "empty.jsonl").touch()
    with (tmp_path / "empty.jsonl").open("rb") as source:
        assert run(source, None, tmp_path, dry_run=True).error is None


@pytest.mark.slow
def test_a_run_that_is_killed_leaves_no_empty_dead_letter(mixpanel, tmp_path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(settings(mixpanel, tmp_path)))
    process = subprocess.Popen(
        [COMMAND, "--config", tmp_path / "config.json"],
        stdin=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    assert process.stdin
    process.stdin.write(schema() + record({"id": "e1", "external_user_id": "u", "time": "never"}))
    process.stdin.flush()
    folder = tmp_path / "dead_letter"
    for _ in range(200):
        if folder.exists() and any(folder.iterdir()):
            break
        time.sleep(0.05)
    process.kill()
    process.communicate()
    (file,) = folder.iterdir()
    lines = file.read_text().splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["SCHEMA", "RECORD"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    ["target-mixpanel", "target-braze-cohorts", "tap-braze-currents", "tap-mixpanel-cohorts"],
)
def test_ctrl_c_while_the_command_imports_shows_no_trace(name, tmp_path) -> None:
    # Slows the first import of the plugin's module, so that the signal comes while it lasts.
    module = {"t": "target", "p": "tap"}["p" if name.startswith("tap") else "t"]
    package = name.replace("-", "_")
    code = (
        "import sys, time\n"
        f"import {package}.__main__ as command\n"
        "class Slow:\n"
        "    def find_spec(self, wanted, *_):\n"
        f"        if wanted == '{package}.{module}':\n"
        "            print('importing', flush=True)\n"
        "            time.sleep(30)\n"
        "sys.meta_path.insert(0, Slow())\n"
        "command.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ},
    )
    assert process.stdout
    assert process.stdout.readline() == b"importing\n"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    assert said == b""
    assert process.returncode == -signal.SIGINT
