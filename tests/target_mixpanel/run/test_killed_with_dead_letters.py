"""The command itself, killed at random moments while its dead letters go to a store."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.braze_mixpanel.files.stores import cloud
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import STREAM, open_record, record, schema, settings, state

pytestmark = pytest.mark.slow

COMMAND = Path(sys.executable).parent / "target-mixpanel"
RECORDS = 600
STATE_EVERY = 7
LIVES = 12
SLOW = 0.002
"""Seconds between two lines, so that a kill meets every stage of a run."""


def is_rejected(number):
    return number % 3 == 0


def feed(process, start):
    """Write the records from a number on, as a tap that goes on from its STATE."""
    try:
        process.stdin.write(schema())
        for number in range(start, RECORDS):
            broken = {"time": None} if is_rejected(number) else {}
            process.stdin.write(record(open_record(number, **broken)))
            if (number + 1) % STATE_EVERY == 0 or number + 1 == RECORDS:
                process.stdin.write(state(number + 1))
            process.stdin.flush()
            time.sleep(SLOW)
    except BrokenPipeError:
        pass
    with suppress(BrokenPipeError):
        process.stdin.close()


def live(config, start, seconds):
    """Run the command, kill it after a while, and return what its last STATE covers."""
    process = subprocess.Popen(
        [COMMAND, "--config", config],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    killer = threading.Timer(seconds, process.kill) if seconds else None
    writer = threading.Thread(target=feed, args=(process, start))
    writer.start()
    covered = start
    for line in process.stdout:
        if line.endswith(b"\n"):
            if killer and killer.ident is None:
                killer.start()  # counted from the first STATE on
            covered = json.loads(line)["bookmarks"][STREAM]
    process.stdout.close()
    code = process.wait()
    writer.join()
    if killer and killer.is_alive():
        killer.cancel()
        killer.join()
    return covered, code


def test_what_a_state_covers_is_in_the_store_whenever_the_target_is_killed(tmp_path):
    chance = random.Random(17)
    with FakeMixpanel() as mixpanel, cloud() as place:
        place.server.delay = 0.02  # each request takes as long as several lines
        config = tmp_path / "config.json"
        values = settings(
            mixpanel,
            tmp_path,
            dead_letter_path=place.url,
            path_options=place.options,
            max_rejected_ratio=1,
            batch_size=5,
        )
        config.write_text(json.dumps(values))
        covered, code, kills = 0, None, 0
        for seconds in [*(chance.uniform(0.001, 0.4) for _ in range(LIVES)), None]:
            covered, code = live(config, covered, seconds)
            kills += code == -9
            dead = {message["record"]["id"] for message in place.records()}
            wanted = {f"event-{number}" for number in range(covered) if is_rejected(number)}
            assert wanted <= dead
            if covered == RECORDS and code == 0:
                break
        assert (covered, code) == (RECORDS, 0)
        assert kills >= 3
        assert mixpanel.count == sum(not is_rejected(number) for number in range(RECORDS))
