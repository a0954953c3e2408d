"""Many members, both ways: time, memory, and what a run with little or no news costs.

The size is lean. For the full one:

    SCALE_MEMBERS=1000000 pytest -s tests/tap_mixpanel_cohorts/test_scale.py
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fakes.fake_braze import FakeBraze
from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.fakes.mixpanel_query_api import MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import BIN, PASSWORD, USER, environment, inbox
from tests.target_braze_cohorts.harness import run

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
MEMBERS = int(os.environ.get("SCALE_MEMBERS", "200000"))
MOST_MEGABYTES = 200
MOST_SECONDS_OF_A_MILLION = 180
MOST_IDLE_SECONDS = 2.0

MEASURE = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, used = os.wait4(process.pid, 0)
print(used.ru_utime + used.ru_stime, used.ru_maxrss / 1024, file=sys.stderr)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Waits in a small process: the system counts the memory of the one that forks as the child's."""


class Measured:
    """A run of the tap: its output, its seconds of CPU and its megabytes."""

    def __init__(self, folder, config, state=None):
        (folder / "tap.json").write_text(json.dumps(config))
        given = ["--config", folder / "tap.json"]
        if state is not None:
            (folder / "state.json").write_text(json.dumps(state))
            given += ["--state", folder / "state.json"]
        ended = subprocess.run(
            [sys.executable, "-c", MEASURE, BIN / "tap-mixpanel-cohorts", *given],
            capture_output=True,
            env=environment(),
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        self.output = ended.stdout
        self.cpu, self.megabytes = map(float, ended.stderr.splitlines()[-1].split())
        self.records = self.output.count(b'{"type":"RECORD"')
        self.state = json.loads(self.output.splitlines()[-1])["value"]

    def __str__(self):
        return f"{self.records} records, {self.cpu:.2f} s of CPU, {self.megabytes:.0f} MB"


def everybody():
    return {f"user-{number}": {} for number in range(MEMBERS)}


def memory_of(process):
    """The most megabytes that a running process has held."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def test_a_large_cohort_is_pushed_and_then_only_its_changes_come(tmp_path):
    config = {"inbox_db": f"sqlite:///{tmp_path}/inbox.db"}
    with inbox(config["inbox_db"]) as server:
        sync = CohortSync(server.url, auth=(USER, PASSWORD), at_once=4)
        sync.cohort(1).people = everybody()
        began = time.monotonic()
        assert sync.run(1)
        seconds, megabytes = time.monotonic() - began, memory_of(server.process)
        first = Measured(tmp_path, config)
        idle = Measured(tmp_path, config, first.state)
        for number in range(15):
            del sync.cohort(1).people[f"user-{number}"]
            sync.cohort(1).people[f"new-{number}"] = {}
        assert sync.run(1)
        changes = Measured(tmp_path, config, idle.state)
    print(f"push: {seconds:.1f} s, {megabytes:.0f} MB")  # noqa: T201
    for name, measured in {"first": first, "idle": idle, "changes": changes}.items():
        print(f"{name}: {measured}")  # noqa: T201
        assert measured.megabytes < MOST_MEGABYTES
    assert seconds < MOST_SECONDS_OF_A_MILLION * max(MEMBERS, 200_000) / 1_000_000
    assert megabytes < MOST_MEGABYTES
    assert (first.records, idle.records) == (MEMBERS + 1, 0)
    assert idle.cpu < MOST_IDLE_SECONDS
    assert changes.records < 100
    with FakeBraze() as braze:
        run(braze, tmp_path, first.output).ok()
        before = len(braze.writes())
        run(braze, tmp_path, changes.output).ok()
        sent = braze.writes()[before:]
        assert sum(len(one.adds) + len(one.removes) for one in sent) == 30
        assert braze.members("1") == set(sync.cohort(1).people)


def test_a_large_cohort_comes_through_the_query_api(tmp_path):
    with MixpanelQueryApi(per_hour=10_000) as mixpanel:
        mixpanel.put(1, "Everybody", everybody())
        config = {"api_url": mixpanel.url, **mixpanel.account, "query_budget": 10_000}
        read = Measured(tmp_path, config)
    print(f"query: {read}")  # noqa: T201
    assert read.records == MEMBERS + 1
    assert read.megabytes < MOST_MEGABYTES


def test_several_unchanged_cohorts_cost_little_to_read_again(tmp_path):
    with MixpanelQueryApi() as mixpanel:
        for number in range(1, 11):
            mixpanel.put(number, f"Cohort {number}", [f"u{n}" for n in range(5000)])
        config = {"api_url": mixpanel.url, **mixpanel.account}
        first = Measured(tmp_path, config)
        again = Measured(tmp_path, config, first.state)
    print(f"ten cohorts again: {again}")  # noqa: T201
    assert again.cpu < MOST_IDLE_SECONDS
