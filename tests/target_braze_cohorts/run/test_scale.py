"""One large cohort: whole at first, then one in a hundred in and one out.

The size is lean. For the full one:

    SCALE_MEMBERS=1000000 pytest -s tests/target_braze_cohorts/run/test_scale.py
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys

import pytest

from tests.target_braze_cohorts.harness import SCHEMAS, activate, cohort, settings
from tests.target_braze_cohorts.test_command import COMMAND

MEMBERS = int(os.environ.get("SCALE_MEMBERS", "100000"))
MOST_MEGABYTES = 300
SHUFFLE = 2_654_435_761
"""Odd, so that multiplying by it modulo 2³² gives each number another place."""


def write_input(path, begin, end):
    """Write the members in an order that is not theirs, as a source would."""
    with path.open("wb") as file:
        file.write(SCHEMAS)
        for start in range(begin, end, 10_000):
            for number in range(start, min(end, start + 10_000)):
                who = number * SHUFFLE % 2**32
                file.write(
                    b'{"type": "RECORD", "stream": "cohort_members", "record": '
                    b'{"distinct_id": "user-%08x", "cohort_id": 1}, '
                    b'"time_extracted": "2026-11-23T13:12:11.408508Z"}\n' % who
                )
        file.write(cohort(1, "Everybody", end - begin) + activate())


WAIT = """
import os, subprocess, sys
process = subprocess.Popen(sys.argv[1:])
_, status, usage = os.wait4(process.pid, 0)
print(usage.ru_maxrss)
sys.exit(os.waitstatus_to_exitcode(status))
"""
"""Waits in a small process: the system counts the memory of the one that forks as the child's."""


def measured(config, folder, lines):
    """Run the command; gives its own words on the time it took, and the most megabytes it held."""
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    log = folder / "stderr"
    with lines.open("rb") as source, log.open("wb") as errors:
        outer = subprocess.run(
            [sys.executable, "-c", WAIT, COMMAND, "--config", path],
            cwd=folder,
            stdin=source,
            stdout=subprocess.PIPE,
            stderr=errors,
            check=False,
        )
    assert outer.returncode == 0, log.read_text()
    return re.search("Read, staged.*", log.read_text())[0], int(outer.stdout.split()[-1]) / 1024


@pytest.mark.slow
def test_a_large_cohort_is_diffed_on_disk_and_only_its_changes_are_sent(braze, tmp_path):
    change = MEMBERS // 100
    first, second = tmp_path / "first.jsonl", tmp_path / "second.jsonl"
    write_input(first, 0, MEMBERS)
    write_input(second, change, MEMBERS + change)
    config = settings(braze, tmp_path)
    plan = {**config, "dry_run": True}

    figures = {"plan of the first": measured(plan, tmp_path, first)}
    figures["first"] = measured(config, tmp_path, first)
    assert len(braze.members("1")) == MEMBERS
    before = len(braze.writes())
    figures["plan of the second"] = measured(plan, tmp_path, second)
    figures["second"] = measured(config, tmp_path, second)

    sent = braze.writes()[before:]
    assert sum(len(request.adds) for request in sent) == change
    assert sum(len(request.removes) for request in sent) == change
    assert len(sent) == 2 * -(-change // 1000)
    assert len(braze.members("1")) == MEMBERS
    for name, (words, megabytes) in figures.items():
        print(f"{name}: {words}; {megabytes:.0f} MB")  # noqa: T201
        assert megabytes < MOST_MEGABYTES
