"""Large runs: memory stays flat, and nothing is lost under faults."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.currents_generator import records
from tests.fakes import mixpanel_faults as faults
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import STREAM, record, schema, settings, state

pytestmark = pytest.mark.slow
MOST_MEGABYTES = 250
ARTIFACTS = Path(__file__).parents[3] / "artifacts"
COPIES = int(os.environ.get("LOAD_TEST_COPIES", "40"))
"""Times 5,000 events; 200 makes the load test of a million."""


def feed(process: subprocess.Popen, copies: int, *, every_state: int = 5) -> int:
    """Write 5,000 different records so many times, each time with other ids."""
    lines = [
        record({**values, "id": f"COPY-{number}", "external_user_id": f"u{number}"})
        for number, values in enumerate(records("users.messages.email.Open", 5000))
    ]
    block = b"".join(lines)
    process.stdin.write(schema())
    for copy in range(copies):
        process.stdin.write(block.replace(b'"COPY-', b'"c%d-' % copy))
        if copy % every_state == 0:
            process.stdin.write(state(copy))
    process.stdin.write(state(copies))
    process.stdin.close()
    return len(lines) * copies


def start(folder: Path, server: FakeMixpanel, **changes) -> subprocess.Popen:
    config = folder / "config.json"
    config.write_text(json.dumps(settings(server, folder, **changes)))
    with (folder / "states").open("wb") as states, (folder / "log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "target_mixpanel", "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=states,
            stderr=log,
        )


class Watch:
    """The peak memory of a process while it runs."""

    def __init__(self, process: subprocess.Popen) -> None:
        self.megabytes = 0.0
        self._process = psutil.Process(process.pid)
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self._thread.start()

    def _look(self) -> None:
        while not self._done.wait(0.05):
            try:
                self.megabytes = max(self.megabytes, self._process.memory_info().rss / 2**20)
            except psutil.Error:
                return

    def stop(self) -> None:
        self._done.set()
        self._thread.join()


def test_a_load_with_two_percent_faults_loses_nothing(tmp_path: Path) -> None:
    with FakeMixpanel(policy=faults.now_and_then(0.02, seed=1), keep_events=False) as server:
        process = start(tmp_path, server, concurrency=4)
        watch = Watch(process)
        sent = feed(process, COPIES)
        code = process.wait(1200)
        watch.stop()
        summary = server.summary()
    figures = {"sent": sent, "peak_mb": round(watch.megabytes), **summary}
    ARTIFACTS.mkdir(exist_ok=True)
    (ARTIFACTS / "load_test.json").write_text(json.dumps(figures, indent=1))
    assert code == 0, (tmp_path / "log").read_text()[-2000:]
    assert server.count == sent
    assert watch.megabytes < MOST_MEGABYTES
    last = json.loads((tmp_path / "states").read_text().splitlines()[-1])
    assert last == {"bookmarks": {STREAM: COPIES}}


def test_while_mixpanel_is_slow_reading_stops_and_memory_stays_flat(tmp_path: Path) -> None:
    """Every answer is held: what is read must be bounded by the requests in flight."""
    gate = threading.Event()
    in_flight = 10
    with FakeMixpanel(
        policy=lambda request: faults.Hold(gate) if request.number else None, keep_events=False
    ) as server:
        process = start(tmp_path, server, concurrency=in_flight)
        watch = Watch(process)
        feeder = threading.Thread(target=feed, args=(process, COPIES), daemon=True)
        feeder.start()
        server.wait_for(lambda held: held.in_flight == in_flight, timeout=60)
        feeder.join(5)
        assert feeder.is_alive(), "the target swallowed everything"
        gate.set()
        feeder.join(600)
        code = process.wait(600)
        watch.stop()
    assert code == 0
    assert server.count == COPIES * 5000
    assert watch.megabytes < MOST_MEGABYTES
