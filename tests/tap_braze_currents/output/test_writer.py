"""Standard output in the ways in which it is awkward: interrupted, full, nowhere to put batches."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time

import pytest

from braze_mixpanel.errors import SettingsError
from tests.currents_generator import generate
from tests.tap_braze_currents.conftest import make_tap

OPEN = "users.messages.email.Open"
LINES = 50_000

WRITE_DURING_SIGNALS = f"""
import signal
from braze_mixpanel.singer.line_writer import LineWriter

signal.signal(signal.SIGALRM, lambda *_: None)
signal.setitimer(signal.ITIMER_REAL, 0.002, 0.002)
writer = LineWriter()
for start in range(0, {LINES}, 10_000):
    writer.write_lines(b"".join(b"%050d\\n" % n for n in range(start, start + 10_000)))
signal.setitimer(signal.ITIMER_REAL, 0)
writer.flush()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_signal_in_the_middle_of_a_write_tears_no_line(unbuffered):
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    command = [sys.executable, "-c", WRITE_DURING_SIGNALS]
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment) as process:
        pieces = []
        while piece := os.read(process.stdout.fileno(), 1 << 20):
            pieces.append(piece)
            time.sleep(0.005)  # the pipe is full when the signals come

    assert process.returncode == 0
    assert b"".join(pieces).splitlines() == [b"%050d" % number for number in range(LINES)]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only on Linux")  # noqa: PTH110
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_disk_behind_standard_output_is_reported_in_one_line(tmp_path, unbuffered):
    generate(tmp_path / "bucket", events=10, types=[OPEN])
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"storage_url": str(tmp_path / "bucket"), "settle_seconds": 0}))
    with open("/dev/full", "wb") as full:  # noqa: PTH123
        process = subprocess.run(
            [sys.executable, "-m", "tap_braze_currents.tap", "--config", str(config)],
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        )

    text = process.stderr.decode()
    assert process.returncode == 75, text
    assert "Standard output cannot be written to (No space left on device)" in text
    assert "Traceback" not in text


def test_a_folder_for_batches_that_cannot_be_made_is_a_settings_error(tmp_path):
    generate(tmp_path / "bucket", events=10, types=[OPEN])
    (tmp_path / "file").touch()
    root = f"file://{tmp_path}/file/batches"
    tap = make_tap(
        tmp_path / "bucket",
        batch_config={
            "encoding": {"format": "jsonl", "compression": "gzip"},
            "storage": {"root": root},
        },
    )

    with pytest.raises(SettingsError, match=r"file/batches cannot be written to \(.*storage.root"):
        tap.sync_all()
