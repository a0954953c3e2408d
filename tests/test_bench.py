"""The benchmark must not rot: it is run seldom and believed at once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from bench.__main__ import running_sink
from bench.measure import Run
from bench.report import Row

ROOT = Path(__file__).parents[1]


def test_the_sink_counts_events_and_refuses_what_imports_nothing():
    with running_sink() as url, requests.Session() as session:
        events = [{"event": "a", "properties": {"$insert_id": str(n)}} for n in range(3)]
        assert session.post(f"{url}/import", json=events).json()["num_records_imported"] == 3
        probe = session.post(f"{url}/import", json=[{"event": "probe", "properties": {}}])
        assert probe.status_code == 400
        assert len(probe.json()["failed_records"]) == 1
        totals = session.get(f"{url}/totals").json()
        assert (totals["events"], totals["requests"]) == (3, 2)


def test_start_up_is_taken_off_processor_time_and_not_off_speed():
    runs = tuple(Run(seconds, seconds * 2, {"tap": seconds}) for seconds in (2.0, 4.0, 9.0))
    row = Row("tap", "tap", "ours", 1_000_000, runs, Run(0.5, 1.0, {}))
    assert row.speed == 250_000
    assert row.cpu_per_million == 7.0
    assert row.peaks == {"tap": 9.0}


@pytest.mark.slow
def test_the_benchmark_runs_and_every_event_arrives(tmp_path):
    argv = [sys.executable, "-m", "bench", "--events", "2000", "--runs", "1", "--only", "→ "]
    env = {**os.environ, "BENCH_RESULTS": str(tmp_path)}
    done = subprocess.run(argv, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "failed" not in done.stdout
    (report,) = tmp_path.glob("*Z.json")
    names = {row["name"] for row in json.loads(report.read_text())["rows"]}
    assert "bare sketch of a tap → of a target" in names


@pytest.mark.slow
def test_the_deliveries_to_a_slow_braze_run_and_everybody_arrives():
    argv = [sys.executable, "-m", "bench.braze_deliveries", "--people", "3000"]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()[1:]
    assert [row.split()[-3] for row in rows] == ["41", "5"]  # requests
