"""The tap and the inbox as processes, and what the tap's output means."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
USER, PASSWORD = "mixpanel", "push-password-77"
PROPERTY = "$braze_external_id"


def environment(**more: str) -> dict[str, str]:
    prefixes = ("TAP_", "TARGET_", "MELTANO", "MIXPANEL_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return {**kept, **more}


@dataclass
class Run:
    """How a run of the tap ended."""

    code: int
    messages: list[dict[str, Any]]
    log: str
    output: bytes = b""

    def of(self, stream: str) -> list[dict[str, Any]]:
        return [
            message["record"]
            for message in self.messages
            if message["type"] == "RECORD" and message["stream"] == stream
        ]

    @property
    def records(self) -> int:
        return sum(message["type"] == "RECORD" for message in self.messages)

    @property
    def state(self) -> dict[str, Any] | None:
        states = [message["value"] for message in self.messages if message["type"] == "STATE"]
        return states[-1] if states else None

    def ok(self) -> Run:
        assert self.code == 0, self.log
        return self

    @property
    def error(self) -> str:
        return next(line for line in self.log.splitlines()[::-1] if "ERROR" in line)


def run_tap(folder: Path, config: dict[str, Any], state: Any = None, *arguments: str) -> Run:
    (folder / "tap.json").write_text(json.dumps(config))
    given = ["--config", str(folder / "tap.json"), *arguments]
    if state is not None:
        (folder / "state.json").write_text(json.dumps(state))
        given += ["--state", str(folder / "state.json")]
    ended = subprocess.run(
        [BIN / "tap-mixpanel-cohorts", *given],
        capture_output=True,
        env=environment(),
        timeout=200,
        check=False,
    )
    return Run(ended.returncode, messages_of(ended.stdout), ended.stderr.decode(), ended.stdout)


def messages_of(output: bytes) -> list[dict[str, Any]]:
    return [json.loads(line) for line in output.splitlines()]


def apply(run: Run, known: dict[Any, set[str]]) -> None:
    """What a target does with a run: complete lists replace, changes move."""
    lists: dict[Any, set[str]] = {}
    changes: dict[Any, list[dict[str, Any]]] = {}
    for message in run.messages:
        if message["type"] != "RECORD":
            continue
        record = message["record"]
        if message["stream"] == "cohort_members":
            lists.setdefault(record["cohort_id"], set()).add(record["distinct_id"])
        elif message["stream"] == "cohort_changes":
            changes.setdefault(record["cohort_id"], []).append(record)
        else:
            cohort = record["id"]
            assert not (cohort in lists and cohort in changes), "a list and changes in one run"
            if record["count"] is not None:
                people = lists.pop(cohort, set())
                assert len(people) == record["count"]
                known[cohort] = people
            for change in changes.pop(cohort, []):
                held = known.setdefault(cohort, set())
                (held.discard if change["should_remove"] else held.add)(change["distinct_id"])
            known.setdefault(cohort, set())
    assert not lists
    assert not changes


@dataclass
class InboxProcess:
    """A running inbox."""

    process: subprocess.Popen[str]
    url: str
    log: list[str]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


def start_inbox(
    db: str, *arguments: str, password: str | None = PASSWORD, port: int = 0
) -> InboxProcess:
    secret = {"MIXPANEL_COHORT_INBOX_PASSWORD": password} if password else {}
    process = subprocess.Popen(
        [
            BIN / "mixpanel-cohort-inbox",
            *("--inbox-db", db, "--port", str(port)),
            *("--profile-properties", json.dumps([PROPERTY])),
            *(("--username", USER) if password else ()),
            *arguments,
        ],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(**secret),
    )
    log: list[str] = []
    for line in process.stderr:
        log.append(line)
        if '"listening"' in line or process.poll() is not None:
            break
    assert log, process.wait()
    url = json.loads(log[-1])["url"]
    threading.Thread(target=lambda: log.extend(process.stderr), daemon=True).start()
    return InboxProcess(process, url, log)


@contextmanager
def inbox(db: str, *arguments: str, password: str | None = PASSWORD):
    started = start_inbox(db, *arguments, password=password)
    try:
        yield started
    finally:
        started.kill()
        started.process.stderr.close()
