"""A stand-in for S3 with a delay, as its own process: `python -m bench.slow_buckets KIND FILES`.

Prints its URL and the number of objects. For each line on standard input it prints the requests
since the last one as JSON.
"""

from __future__ import annotations

import json
import random
import sys
import tempfile
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING

from tests.currents_generator import event_types, file_key, generate
from tests.fakes.fake_buckets import FakeBuckets, serving

if TYPE_CHECKING:
    from collections.abc import Iterator

TYPES = 54
NOW = datetime(2026, 11, 27, 6, tzinfo=timezone.utc)
DELAY = 0.04
RECORDS_A_FILE = 20
PREFIX = "prod"
_PARTITIONS = 3


def small_files(files: int) -> Iterator[tuple[str, str]]:
    """Yield event type and key of so many files of each type, spread over six hours."""
    for event_type in list(event_types())[:TYPES]:
        for number in range(files):
            hour = NOW - timedelta(hours=number % 6)
            yield event_type, file_key(event_type, hour, offset=number * RECORDS_A_FILE)


def open_hours(files: int) -> Iterator[tuple[str, str]]:
    """Yield event type and key of 49 open hours with so many files an hour of each type."""
    numbers = random.Random(1)
    for event_type in list(event_types())[:TYPES]:
        offsets = [numbers.randrange(10**6) for _ in range(_PARTITIONS)]
        for back in range(48, -1, -1):
            for number in range(files):
                partition = number % _PARTITIONS
                hour = NOW - timedelta(hours=back)
                offset = offsets[partition]
                yield event_type, file_key(event_type, hour, partition=partition, offset=offset)
                offsets[partition] += numbers.randrange(200, 900)


KINDS = {"small": small_files, "open": open_hours}


def contents() -> dict[str, bytes]:
    """Return one file of each type."""
    with tempfile.TemporaryDirectory() as folder:
        types = list(event_types())[:TYPES]
        bucket = generate(folder, events=TYPES * RECORDS_A_FILE, types=types, hours=1)
        return {file.event_type: Path(file.path).read_bytes() for file in bucket.files}


def main() -> None:
    """Serve until standard input ends."""
    server = FakeBuckets(delay=DELAY)
    content = contents()
    server.buckets["company"] = {
        f"{PREFIX}/{key}": content[event_type]
        for event_type, key in KINDS[sys.argv[1]](int(sys.argv[2]))
    }
    with serving(server):
        print(server.url, len(server.buckets["company"]), flush=True)
        for _ in sys.stdin:
            requests, server.requests = server.requests, []
            lists = sum(request.is_list for request in requests)
            heads = sum(request.method == "HEAD" for request in requests)
            counts = {"LIST": lists, "HEAD": heads, "GET": len(requests) - lists - heads}
            print(json.dumps(counts), flush=True)


if __name__ == "__main__":
    main()
