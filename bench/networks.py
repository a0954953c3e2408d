"""The plugins behind a network: `python -m bench.networks`.

- `tap`: small files behind 40 ms a request; over a busy bucket a run with nothing new, and one that
  has its last two hours to read.
- `mixpanel`: tap and target before a Mixpanel that answers after 1 s and 2 s.
- `braze`: deliveries to a slow Braze, see `braze_deliveries`.

Each service is a stand-in in a process of its own, so that its processor time is not the plugins'.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench import slow_mixpanel
from bench.braze_deliveries import DELIVERIES, print_deliveries
from bench.slow_buckets import NOW, PREFIX, open_hours
from bench.stand_in import StandIn, running
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.bucket.layout import parse_path, to_hour
from tap_braze_currents.planning.bookmark import Bookmark

if TYPE_CHECKING:
    from collections.abc import Callable

TAP = Path(sys.executable).parent / "tap-braze-currents"
_HEADINGS = (
    *("run", "seconds", "CPU", "files/s", "CPU ms/file", "LIST", "HEAD", "GET"),
    *("STATEs", "STATE kB", "STATE %"),
)


def state_of_open_hours(files: int, *, unread_hours: int = 0) -> dict[str, Any]:
    """Make the STATE of a tap that has read the bucket, but for its last hours."""
    bookmarks: dict[str, Bookmark] = {}
    last = to_hour(NOW - timedelta(hours=unread_hours))
    for event_type, key in open_hours(files):
        path = parse_path(key)
        if path.hour <= last:
            bookmarks.setdefault(event_type, Bookmark()).mark_read(path)
    for bookmark in bookmarks.values():
        bookmark.begin_run(NOW, "", 48)
        bookmark.seal(48, to_hour(NOW))
    return {"bookmarks": {stream_id(name): known.to_state() for name, known in bookmarks.items()}}


def run(name: str, store: StandIn, folder: Path, *arguments: str) -> None:
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
    counts = store.counts()
    files = counts["GET"]
    row = (
        name,
        f"{seconds:.1f}",
        f"{cpu:.2f}",
        f"{files / seconds:,.0f}" if files else "",
        f"{1000 * cpu / files:.2f}" if files else "",
        *(str(counts[kind]) for kind in ("LIST", "HEAD", "GET")),
        str(len(states)),
        f"{len(states[-1]) / 1000:,.0f}" if states else "",
        f"{100 * sum(map(len, states)) / max(1, sum(map(len, lines))):.1f}" if files else "",
    )
    print("  ".join(f"{cell:>12}" for cell in row), flush=True)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the part `tap`."""
    parser.add_argument("--small-files", type=int, default=200, help="of each of 54 types")
    parser.add_argument("--files-an-hour", type=int, default=36, help="of each of 54 types")


def measure(args: argparse.Namespace) -> None:
    """Print the rows of the part `tap`."""
    print("  ".join(f"{cell:>12}" for cell in _HEADINGS))
    with tempfile.TemporaryDirectory(prefix="bench-") as place:
        folder = Path(place)
        catalog = folder / "catalog.json"
        for kind, files in (("small", args.small_files), ("open", args.files_an_hour)):
            with running("bench.slow_buckets", kind, str(files)) as store:
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
                if kind == "small":
                    run(f"{kind}: {int(store.more[0]):,} files", store, folder, *arguments)
                    continue
                for name, unread_hours in (("idle", 0), ("busy", 2)):
                    state = folder / "state.json"
                    known = state_of_open_hours(files, unread_hours=unread_hours)
                    state.write_text(json.dumps(known))
                    run(
                        f"{name}: {int(store.more[0]):,} files",
                        store,
                        folder,
                        *arguments,
                        "--state",
                        str(state),
                    )


_PARTS: dict[str, Callable[[argparse.Namespace], None]] = {
    "tap": measure,
    "mixpanel": slow_mixpanel.measure,
    "braze": lambda _args: print_deliveries(DELIVERIES),
}


def main() -> None:
    """Measure and print a table for each part."""
    parser = argparse.ArgumentParser(prog="python -m bench.networks")
    parser.add_argument("--only", choices=_PARTS, help="one part")
    add_arguments(parser)
    slow_mixpanel.add_arguments(parser)
    args = parser.parse_args()
    for name, part in _PARTS.items():
        if args.only in {None, name}:
            print(f"\n{name}", flush=True)
            part(args)


if __name__ == "__main__":
    main()
