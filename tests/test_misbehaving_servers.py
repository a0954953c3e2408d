"""Whatever a server answers, a run ends: in time, in little memory, and with one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import a_part
from tests.fakes.misbehaving_server import ESCAPE, SLOW, WRONG, misbehaving

BIN = Path(sys.executable).parent
SECRET = "sekret-password-77"
MOST_MIB = 300
SCHEMA = {"type": "SCHEMA", "stream": "users_messages_email_open", "key_properties": ["id"]}
RECORD = {"id": "a", "time": 1_790_000_000, "external_user_id": "u"}
EVENTS = [
    {**SCHEMA, "schema": {"properties": {"id": {"type": "string"}}}},
    {"type": "RECORD", "stream": SCHEMA["stream"], "record": RECORD},
]
COHORTS = [
    {"type": "SCHEMA", "stream": "cohorts", "schema": {"properties": {}}, "key_properties": []},
    {"type": "RECORD", "stream": "cohorts", "record": {"id": 1, "name": "VIP", "count": 1}},
    {
        "type": "SCHEMA",
        "stream": "cohort_members",
        "schema": {"properties": {}},
        "key_properties": [],
    },
    {"type": "RECORD", "stream": "cohort_members", "record": {"cohort_id": 1, "distinct_id": "u"}},
]
ACCOUNT = {
    "service_account_username": "svc",
    "service_account_password": SECRET,
    "project_id": "1",
    "retry_seconds": 0,
}
STORES: dict[str, dict[str, Any]] = {
    "s3": {"key": "AKIAEXAMPLE", "secret": SECRET, "region_name": "us-east-1"},
    "gs": {"token": "anon"},
    "az": {"account_name": "account", "account_key": "c2VrcmV0LXBhc3N3b3JkLTc3"},
}


@dataclass
class Client:
    command: str
    settings: dict[str, Any]
    address: str
    messages: list[dict[str, Any]] | None = None

    def start(self, url: str, folder: Path) -> subprocess.Popen[bytes]:
        settings = dict(self.settings)
        if self.address == "endpoint_url":
            options = {**settings["storage_options"], self.address: url}
            settings["storage_options"] = options
        else:
            settings[self.address] = url
        (folder / "config.json").write_text(json.dumps(settings))
        text = b"".join(json.dumps(message).encode() + b"\n" for message in self.messages or ())
        (folder / "input").write_bytes(text)
        kept = {n: v for n, v in os.environ.items() if not n.startswith(("TAP_", "TARGET_"))}
        with (folder / "input").open("rb") as source, (folder / "log").open("wb") as log:
            return subprocess.Popen(
                [BIN / self.command, "--config", str(folder / "config.json")],
                stdin=source,
                stdout=subprocess.DEVNULL,
                stderr=log,
                cwd=folder,
                env=kept,
            )


CLIENTS = {
    "mixpanel": Client("target-mixpanel", ACCOUNT, "api_url", EVENTS),
    "braze": Client(
        "target-braze-cohorts",
        {"api_key": SECRET, "delivery": "attribute", "retry_seconds": 0},
        "rest_endpoint",
        COHORTS,
    ),
    "query": Client("tap-mixpanel-cohorts", ACCOUNT, "api_url"),
    **{
        scheme: Client(
            "tap-braze-currents",
            {"storage_url": f"{scheme}://bucket/prefix", "storage_options": options},
            "endpoint_url",
        )
        for scheme, options in STORES.items()
    },
}
HTTP = ["mixpanel", "braze", "query"]


def end_of(process: subprocess.Popen[bytes], seconds: float) -> tuple[int, int]:
    """Wait, and give the exit code and the most memory in MiB."""
    # What `wait4` says would count this test's own memory, which a new process begins with.
    deadline, most = time.monotonic() + seconds, 0
    while time.monotonic() < deadline:
        with suppress(OSError, ProcessLookupError):
            status = Path(f"/proc/{process.pid}/status").read_text("ascii", "replace")
            held = next((line for line in status.splitlines() if line.startswith("VmHWM")), "0 0")
            command = Path(f"/proc/{process.pid}/cmdline").read_bytes()
            if b"config.json" in command:
                most = max(most, int(held.split()[1]) >> 10)
        if process.poll() is not None:
            return process.returncode, most
        time.sleep(0.02)
    process.kill()
    process.wait()
    raise AssertionError(f"it still runs after {seconds} s")


def log_of(folder: Path) -> str:
    log = (folder / "log").read_text("utf-8")
    assert "Traceback" not in log
    assert SECRET not in log
    assert not any(mark in log for mark in ESCAPE if not mark.isprintable() and mark != "\n")
    assert "\nFAKE" not in log
    assert max(map(len, log.splitlines())) < 3000
    return log


WRONG_ANSWERS = [(client, way) for way in WRONG for client in HTTP]
SLOW_ANSWERS = [(client, way) for client in CLIENTS for way in SLOW]


@pytest.mark.slow
@pytest.mark.parametrize(("client", "way"), a_part(WRONG_ANSWERS, one_of=2))
def test_a_wrong_answer_ends_a_run_soon_in_one_line(client, way, tmp_path) -> None:
    with misbehaving(WRONG[way]) as url:
        code, mebibytes = end_of(CLIENTS[client].start(url, tmp_path), 30)
    assert code in {1, 65, 75, 78}
    assert mebibytes < MOST_MIB
    assert log_of(tmp_path).count("ERROR") == 1


@pytest.mark.slow
@pytest.mark.parametrize(("client", "way"), a_part(SLOW_ANSWERS, one_of=4))
def test_sigterm_ends_a_run_in_time_while_a_server_holds_it(client, way, tmp_path) -> None:
    with misbehaving(SLOW[way]) as url:
        process = CLIENTS[client].start(url, tmp_path)
        time.sleep(2)
        assert process.poll() is None, log_of(tmp_path)
        process.send_signal(signal.SIGTERM)
        code, _ = end_of(process, 14)
    assert code == 143
    assert "stopped by" in log_of(tmp_path).lower()


@pytest.mark.slow
@pytest.mark.parametrize("client", HTTP[:2])
@pytest.mark.parametrize("way", list(SLOW)[:2])
def test_a_check_ends_in_seconds_whatever_a_server_does(client, way, tmp_path) -> None:
    CLIENTS[client].start("http://127.0.0.1:1", tmp_path).wait(30)  # writes the settings
    with misbehaving(SLOW[way]) as url:
        config = (tmp_path / "config.json").read_text().replace("http://127.0.0.1:1", url)
        (tmp_path / "config.json").write_text(config)
        began = time.monotonic()
        done = subprocess.run(
            [BIN / CLIENTS[client].command, "--config", str(tmp_path / "config.json"), "--check"],
            capture_output=True,
            timeout=30,
            check=False,
        )
    assert done.returncode == 75
    assert time.monotonic() - began < 12
