"""Write a bucket of made-up Currents files: `python -m tests.currents_generator --out DIR`."""

from __future__ import annotations

import argparse
import time
from datetime import datetime, timezone
from pathlib import Path

from tests.currents_generator import CURRENT, OLDER, Mix, generate


def main() -> None:
    """Read the command line, write the files, say what was written."""
    parser = argparse.ArgumentParser(prog="python -m tests.currents_generator", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="the folder to write to")
    parser.add_argument("--events", type=int, default=1000)
    parser.add_argument("--types", default="20", help="how many types, or their names with commas")
    parser.add_argument("--seed", default="0")
    parser.add_argument("--start", default="2026-11-01T00", help="first hour, UTC")
    parser.add_argument("--hours", type=int, default=2)
    parser.add_argument("--layout", choices=["partitioned", "flat"], default="partitioned")
    parser.add_argument("--codec", default="deflate", help="deflate, null, snappy, zstandard")
    parser.add_argument("--events-per-file", type=int, default=15_000)
    parser.add_argument("--anonymous", type=float, default=0.05, metavar="SHARE")
    parser.add_argument("--duplicates", type=float, default=0.01, metavar="SHARE")
    parser.add_argument("--before-2010", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--placeholder", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--redacted", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--broken-properties", type=float, default=0.0, metavar="SHARE")
    parser.add_argument("--older", action="store_true", help="also older ways of writing schemas")
    args = parser.parse_args()

    began = time.perf_counter()
    bucket = generate(
        args.out,
        events=args.events,
        types=int(args.types) if args.types.isdigit() else args.types.split(","),
        seed=args.seed,
        start=datetime.strptime(args.start, "%Y-%m-%dT%H").replace(tzinfo=timezone.utc),
        hours=args.hours,
        layout=args.layout,
        codec=args.codec,
        mix=Mix(
            anonymous=args.anonymous,
            before_2010=args.before_2010,
            placeholder=args.placeholder,
            redacted=args.redacted,
            broken_properties=args.broken_properties,
        ),
        duplicates=args.duplicates,
        versions=(CURRENT, *OLDER) if args.older else (CURRENT,),
        events_per_file=args.events_per_file,
    )
    size = sum(file.path.stat().st_size for file in bucket.files)
    print(  # noqa: T201
        f"{bucket.events} events of {len(bucket.by_type)} types ({bucket.duplicates} repeated) in "
        f"{len(bucket.files)} files, {size / 1e6:.1f} MB, {time.perf_counter() - began:.1f} s"
    )


if __name__ == "__main__":
    main()
