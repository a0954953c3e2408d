"""The plugins behind a network: `python -m bench.networks`.

Small files behind 40 ms a request, and a run with nothing new over a busy bucket. The store is a
stand-in in a process of its own, so that its processor time is not the tap's. Then deliveries to a
slow Braze, see `braze_deliveries`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.braze_deliveries import DELIVERIES, print_deliveries
from bench.slow_buckets import NOW, PREFIX, open_hours
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.bucket.layout import parse_path, to_hour
from tap_braze_currents.planning.bookmark import Bookmark

if TYPE_CHECKING:
    from collections.abc import Iterator

TAP = Path(sys.executable).parent / "tap-braze-currents"
_HEADINGS = ("run", "seconds", "CPU", "files/s", "CPU ms/file", "LIST", "HEAD", "GET", "STATE kB")


class Store:
    """The stand-in's process."""

    def __init__(self, process: subprocess.Popen[str], url: str, files: int) -> None:
        self._process = process
        self.url = url
        self.files = files

    def requests(self) -> dict[str, int]:
        """Return the requests since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: dict[str, int] = json.loads(self._process.stdout.readline())
        return counts


@contextmanager
def serving(kind: str, files: int) -> Iterator[Store]:
    """Serve a bucket."""
    argv = [sys.executable, "-m", "bench.slow_buckets", kind, str(files)]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        url, count = process.stdout.readline().split()
        yield Store(process, url, int(count))


def state_of_open_hours(files: int) -> dict[str, Any]:
    """Make the STATE of a tap that has read the whole bucket."""
    bookmarks: dict[str, Bookmark] = {}
    for event_type, key in open_hours(files):
        bookmark = bookmarks.setdefault(event_type, Bookmark())
        bookmark.mark_read(parse_path(key))
    for bookmark in bookmarks.values():
        bookmark.begin_run(NOW, "", 48)
        bookmark.seal(48, to_hour(NOW))
    return {"bookmarks": {stream_id(name): known.to_state() for name, known in bookmarks.items()}}


def run(name: str, store: Store, folder: Path, *arguments: str) -> None:
    """Run the tap and print a row."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begin = time.monotonic()
    with (folder / "out").open("wb") as out, (folder / "log").open("wb") as log:
        argv = [TAP, "--config", folder / "config.json", *arguments]
        subprocess.run(argv, stdout=out, stderr=log, check=True)
    seconds = time.monotonic() - begin
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    lines = (folder / "out").read_bytes().splitlines()
    states = [line for line in lines if line.startswith(b'{"type":"STATE"')]
    counts = store.requests()
    files = counts["GET"]
    row = (
        name,
        f"{seconds:.1f}",
        f"{cpu:.2f}",
        f"{files / seconds:,.0f}" if files else "",
        f"{1000 * cpu / files:.2f}" if files else "",
        *(str(counts[kind]) for kind in ("LIST", "HEAD", "GET")),
        f"{len(states[-1]) / 1000:,.0f}" if states else "",
    )
    print("  ".join(f"{cell:>12}" for cell in row), flush=True)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small-files", type=int, default=200, help="of each of 54 types")
    parser.add_argument("--files-an-hour", type=int, default=36, help="of each of 54 types")
    args = parser.parse_args()
    print("  ".join(f"{cell:>12}" for cell in _HEADINGS))
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        catalog = folder / "catalog.json"
        (folder / "config.json").write_text("{}")
        for kind, files in (("small", args.small_files), ("idle", args.files_an_hour)):
            with serving(kind, files) as store:
                options = {"endpoint_url": store.url, "key": "key", "secret": "secret"}
                settings = {
                    "storage_url": f"s3://company/{PREFIX}",
                    "settle_seconds": 0,
                    "storage_options": options,
                }
                (folder / "config.json").write_text(json.dumps(settings))
                run(f"{kind}: discover", store, folder, "--discover")
                catalog.write_bytes((folder / "out").read_bytes())
                arguments = ["--catalog", str(catalog)]
                if kind == "idle":
                    state = folder / "state.json"
                    state.write_text(json.dumps(state_of_open_hours(files)))
                    arguments += ["--state", str(state)]
                run(f"{kind}: {store.files:,} files", store, folder, *arguments)
    print_deliveries(DELIVERIES)


if __name__ == "__main__":
    main()
