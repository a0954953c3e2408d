"""The real process, killed with many requests in flight, again and again."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time

import pytest

from target_braze_cohorts.braze.user_attribute import MOST_TRACKED_USERS
from tests.fakes.fake_braze import LOST_ANSWER, FakeBraze
from tests.target_braze_cohorts.harness import LENIENT, by_attribute, full, run, settings
from tests.target_braze_cohorts.test_command import COMMAND

USERS = [f"u{number:05}" for number in range(3_000)]
KILLS = 12 if os.environ.get("EXHAUSTIVE") else 6


def start(config, folder, lines):
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    source = folder / "input"
    source.write_bytes(lines)
    with source.open("rb") as stdin:
        return subprocess.Popen(
            [COMMAND, "--config", path],
            cwd=folder,
            stdin=stdin,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )


def settle(braze):
    """Wait until Braze has worked on what the killed process had sent.

    A request that takes effect after those of the next run would undo what that run did, and no
    client can know of it.
    """
    seen = -1
    while seen != len(braze.requests) or braze.in_flight:
        seen = len(braze.requests)
        time.sleep(0.3)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("way", [{}, by_attribute()], ids=["cohort", "attribute"])
def test_nobody_is_missing_or_wrongly_in_after_kills_at_any_moment(tmp_path, way, kill):
    chance = random.Random(7)
    refused = set(chance.sample(USERS, 12))
    with FakeBraze(seconds=0.02, malformed=refused) as braze:
        if not way:
            braze.policy = lambda _: LOST_ANSWER if chance.random() < 0.02 else None
        config = settings(braze, tmp_path, retry_seconds=600, **LENIENT, **way)
        for number in range(KILLS):
            lists = {
                label: set(chance.sample(USERS, chance.randrange(500, 2_500)))
                for label in range(1, 4)
            }
            names = {label: f"{label} in round {number // 3}" for label in lists}
            process = start(config, tmp_path, full(lists, names))
            begun = len(braze.requests)
            while process.poll() is None and len(braze.requests) == begun:
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 0.6))
            process.send_signal(kill)
            process.wait(timeout=30)
            settle(braze)
        braze.policy = lambda _: None
        run(braze, tmp_path, full(lists, names), **LENIENT, **way).ok()
        for label, people in lists.items():
            key = names[label] if way else str(label)
            assert braze.members(key) - refused == people - refused
        current = {*names.values(), *map(str, lists)}
        for values in braze.values.values():
            assert set(values) <= current
        braze.malformed = set()
        run(braze, tmp_path, full(lists, names), **LENIENT, **way).ok()
        before = len(braze.requests)
        run(braze, tmp_path, full(lists, names), **LENIENT, **way).ok()
        assert len(braze.requests) == before
        assert all(len(request.adds) <= MOST_TRACKED_USERS for request in braze.requests if way)
