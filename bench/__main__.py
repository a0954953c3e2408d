"""Measure and report: `python -m bench`, or `make bench`."""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bench.data import RESULTS, ROOT, DataSet, prepare
from bench.measure import Run, RunFailedError, run_pipeline
from bench.report import Row, write_report
from bench.scenarios import PAIR, SCENARIOS, Place, Scenario

if TYPE_CHECKING:
    from collections.abc import Iterator

TINY_EVENTS = 200
"""So few that a run of them is all start-up."""
SLOW_ROLES = {"ordinary", "other"}


class Bench:
    """Runs scenarios against one sink and collects the rows of the report."""

    def __init__(self, args: argparse.Namespace, url: str) -> None:
        self.args = args
        self.url = url
        self.rows: list[Row] = []

    def measure(self, scenario: Scenario, data: DataSet, runs: int) -> list[Run]:
        """Run a scenario several times; says on stderr how it went."""
        results = []
        for _ in range(runs):
            before = self.delivered()
            with tempfile.TemporaryDirectory(prefix="bench-") as folder:
                place = Place(
                    data,
                    self.url,
                    Path(folder),
                    json.loads(self.args.tap_settings),
                    json.loads(self.args.target_settings),
                )
                run = run_pipeline(
                    scenario.commands(place),
                    RESULTS / "logs",
                    stdin=data.lines if scenario.from_lines else None,
                )
            arrived = self.delivered() - before
            if scenario.sends and arrived != data.events:
                msg = f"{arrived} of {data.events} events arrived"
                raise RunFailedError(msg)
            speed = data.events / run.seconds
            say(f"  {scenario.name}: {run.seconds:.1f} s, {speed:,.0f} events/s")
            results.append(run)
        return results

    def add(self, scenario: Scenario, data: DataSet, label: str | None = None) -> None:
        """Measure a scenario, its start-up taken off, and add its row."""
        name = label or scenario.name
        tiny = prepare(TINY_EVENTS, min(data.types, 20))
        try:
            start_up = self.measure(scenario, tiny, 1)[0]
            before = self.totals()["plain_bytes"]
            runs = self.measure(scenario, data, self.args.runs)
            sent = (self.totals()["plain_bytes"] - before) / self.args.runs
        except RunFailedError as error:
            say(f"  {name}: {error}")
            self.rows.append(Row(name, scenario.group, scenario.role, data.events, (), None))
            return
        self.rows.append(
            Row(name, scenario.group, scenario.role, data.events, tuple(runs), start_up, sent)
        )

    def delivered(self) -> int:
        """Ask the sink how many events it took."""
        return int(self.totals()["events"])

    def totals(self) -> dict[str, Any]:
        """Ask the sink for its figures."""
        with urllib.request.urlopen(f"{self.url}/totals") as answer:
            totals: dict[str, Any] = json.load(answer)
        return totals


@contextlib.contextmanager
def running_sink(delay: float = 0.0) -> Iterator[str]:
    """Start the sink in its own process; gives its URL.

    Args:
        delay: Seconds to each answer.
    """
    argv = [sys.executable, "-m", "bench.sink", str(delay)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=ROOT, text=True) as process:
        assert process.stdout is not None
        try:
            yield f"http://127.0.0.1:{int(process.stdout.readline())}"
        finally:
            process.kill()


def say(text: str) -> None:
    """Log the progress; the report itself goes to stdout."""
    print(text, file=sys.stderr, flush=True)


def is_wanted(scenario: Scenario, only: str) -> bool:
    """Say whether `--only` means this scenario; an empty text means all."""
    groups = {other.group for other in SCENARIOS}
    return scenario.group == only if only in groups else only in scenario.name


def parse_args() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument(
        "--ordinary-events",
        type=int,
        default=100_000,
        help="for the ordinary ways, which need minutes for a million",
    )
    parser.add_argument("--types", type=int, default=20, help="the usual event types first")
    parser.add_argument("--runs", type=int, default=3, help="the report gives the median")
    parser.add_argument("--only", default="", help="a group (tap, target, pair) or part of a name")
    parser.add_argument("--scaling", default="", help="millions of events, such as 1,2,4,10")
    parser.add_argument("--streams", default="", help="numbers of event types, such as 1,20,90")
    parser.add_argument("--tap-settings", default="{}", help="further settings as JSON")
    parser.add_argument("--target-settings", default="{}", help="further settings as JSON")
    return parser.parse_args()


def main() -> None:
    """Prepare the data, run everything, print and write the report."""
    args = parse_args()
    with running_sink() as url:
        bench = Bench(args, url)
        say(f"preparing {args.events} events")
        data = prepare(args.events, args.types)
        less = prepare(min(args.events, args.ordinary_events), args.types)
        for scenario in SCENARIOS:
            if is_wanted(scenario, args.only):
                say(scenario.name)
                bench.add(scenario, less if scenario.role in SLOW_ROLES else data)
        for millions in filter(None, args.scaling.split(",")):
            events = int(float(millions) * 1_000_000)
            say(f"{PAIR.name}, {events} events")
            more = prepare(events, args.types, lines=False)
            bench.add(PAIR, more, f"{PAIR.name}, {events:,} events")
        for types in filter(None, args.streams.split(",")):
            say(f"{PAIR.name}, {types} streams")
            more = prepare(args.events, int(types), lines=False)
            bench.add(PAIR, more, f"{PAIR.name}, {types} streams")
        totals = bench.totals()
    print(write_report(bench.rows, totals, RESULTS, args))


if __name__ == "__main__":
    main()
