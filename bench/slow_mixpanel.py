"""Tap and target before a Mixpanel that takes its time: a part of `python -m bench.networks`.

The stand-in is `bench.sink` with a delay: it answers each import so many seconds later, whatever
their number at once.
"""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from bench.__main__ import running_sink
from bench.data import RESULTS, prepare
from bench.measure import Run, run_pipeline
from bench.scenarios import PAIR, Place

if TYPE_CHECKING:
    import argparse

DELAYS = (1.0, 2.0)
TYPES = 20
_HEADINGS = ("answers after", "events", "seconds", "events/s", "CPU s", "target MB")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of this part."""
    parser.add_argument("--events", type=int, default=3_000_000, help="to the slow Mixpanel")
    parser.add_argument(
        "--runs", type=int, default=1, help="to the slow Mixpanel; the median counts"
    )


def measure(args: argparse.Namespace) -> None:
    """Print a row for each delay, with the default settings."""
    print("  ".join(f"{heading:>13}" for heading in _HEADINGS))
    data = prepare(args.events, TYPES, lines=False)
    for delay in DELAYS:
        runs = []
        for _ in range(args.runs):
            with running_sink(delay) as url, tempfile.TemporaryDirectory(prefix="bench-") as folder:
                place = Place(data, url, Path(folder), {}, {})
                runs.append(run_pipeline(PAIR.commands(place), RESULTS / "logs"))
        print("  ".join(f"{cell:>13}" for cell in _row(delay, args.events, runs)), flush=True)


def _row(delay: float, events: int, runs: list[Run]) -> list[str]:
    seconds = statistics.median(run.seconds for run in runs)
    return [
        f"{delay:g} s",
        f"{events:,}",
        f"{seconds:.1f}",
        f"{events / seconds:,.0f}",
        f"{statistics.median(run.cpu_seconds for run in runs):.1f}",
        f"{max(run.peak_mb['target-mixpanel'] for run in runs):.0f}",
    ]
