"""Memory does not grow with the number of events: measured in the tap's own process."""

from __future__ import annotations

import json
import subprocess
import sys

import psutil
import pytest

from tests.currents_generator import generate

pytestmark = pytest.mark.slow

MEGABYTE = 1 << 20


def peak_megabytes(folder, tmp_path, events):
    """Run the tap as a process and watch its memory while reading what it writes."""
    config = tmp_path / "config.json"
    config.write_text(json.dumps({"storage_url": str(folder), "settle_seconds": 0}))
    process = subprocess.Popen(
        [sys.executable, "-m", "tap_braze_currents.tap", "--config", config],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    watched = psutil.Process(process.pid)
    peak = records = 0
    while block := process.stdout.read(4 * MEGABYTE):
        records += block.count(b'{"type":"RECORD"')
        peak = max(peak, watched.memory_info().rss)
    process.stdout.close()
    assert process.wait() == 0
    assert records > events * 0.99  # a line may lie across two blocks
    return peak / MEGABYTE


def test_two_hundred_thousand_events(tmp_path):
    bucket = generate(tmp_path / "bucket", events=200_000, types=20, hours=4)

    assert peak_megabytes(tmp_path / "bucket", tmp_path, bucket.events) < 250


def test_files_of_a_hundred_thousand_events_with_eight_fetched_ahead(tmp_path):
    event_type = "users.messages.email.Open"
    bucket = generate(
        tmp_path / "bucket", events=100_000, types=[event_type], hours=1, events_per_file=100_000
    )
    (file,) = bucket.files
    for number in range(1, 9):
        copy = file.path.with_name(file.path.name.replace(".avro", f"{number}.avro"))
        copy.hardlink_to(file.path)

    assert peak_megabytes(tmp_path / "bucket", tmp_path, 900_000) < 250
