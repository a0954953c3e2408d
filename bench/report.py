"""The table: medians, ratios within a group, processor time and memory."""

from __future__ import annotations

import json
import os
import platform
import statistics
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.measure import Run

MILLION = 1_000_000
HEAD = (
    "| what | events/s | MB/s sent | to ordinary | to sketch | CPU s a million "
    "| peak MB of each process |\n|---|---|---|---|---|---|---|"
)


@dataclass(frozen=True)
class Row:
    """One scenario's runs; none if it failed."""

    name: str
    group: str
    role: str
    events: int
    runs: tuple[Run, ...]
    start_up: Run | None
    sent_bytes: float = 0.0
    """What the server got in one run, before compression; 0 for a tap alone."""

    @property
    def speed(self) -> float:
        """Events a second, start-up included (median)."""
        return self.events / statistics.median(run.seconds for run in self.runs)

    @property
    def cpu_per_million(self) -> float:
        """CPU seconds of all processes a million events, start-up taken off (median)."""
        off = self.start_up.cpu_seconds if self.start_up else 0.0
        median = statistics.median(run.cpu_seconds for run in self.runs)
        return (median - off) * MILLION / self.events

    @property
    def peaks(self) -> dict[str, float]:
        """The largest peak of each process over all runs, in MB."""
        names = [name for run in self.runs for name in run.peak_mb]
        return {
            name: max(run.peak_mb.get(name, 0.0) for run in self.runs)
            for name in dict.fromkeys(names)
        }


@dataclass(frozen=True)
class Goal:
    """A bound on a figure of one row, or on its ratio to that of the row `against`."""

    row: str
    what: str
    figure: Callable[[Row], float]
    bound: float
    against: str = ""
    at_most: bool = False


def _speed(row: Row) -> float:
    return row.speed


def _cpu(row: Row) -> float:
    return row.cpu_per_million


def _peak(row: Row) -> float:
    return max(row.peaks.values())


GOALS = (
    Goal("tap-braze-currents", "events a second", _speed, 5, "ordinary SDK tap"),
    Goal("tap-braze-currents", "events a second", _speed, 80_000),
    Goal("target-mixpanel", "events a second", _speed, 8, "ordinary SDK target"),
    Goal("target-mixpanel", "events a second", _speed, 50_000),
    Goal("tap → target", "events a second", _speed, 30_000),
    Goal("tap → target", "events a second", _speed, 0.7, "bare sketch of a tap → of a target"),
    Goal("tap → target", "CPU seconds a million events", _cpu, 45, at_most=True),
    Goal("tap → target", "MB of the largest process", _peak, 300, at_most=True),
    Goal("tap → target, BATCH messages", "events a second", _speed, 30_000),
    Goal("meltano run", "events a second", _speed, 30_000),
    Goal("meltano run", "MB of the largest process", _peak, 300, at_most=True),
)


def write_report(
    rows: Sequence[Row], sink: dict[str, Any], folder: Path, args: argparse.Namespace
) -> str:
    """Write the results as Markdown and JSON.

    Returns:
        The Markdown.
    """
    now = datetime.now(timezone.utc)
    setup = (
        f"{args.events:,} events of {args.types} types, median of {args.runs} runs; "
        f"{os.cpu_count()} cores, Python {platform.python_version()}, {platform.machine()}."
    )
    lines = [
        f"# Benchmark of {now:%Y-%m-%d %H:%M} UTC",
        "",
        setup,
        "",
        HEAD,
        *(_line(row, rows) for row in rows),
        "",
        _about_sink(sink),
        "",
        *_goals(rows),
    ]
    text = "\n".join(lines)
    folder.mkdir(parents=True, exist_ok=True)
    stem = folder / f"{now:%Y%m%dT%H%M%SZ}"
    stem.with_suffix(".md").write_text(text + "\n")
    results = {
        "at": now.isoformat(),
        "arguments": vars(args),
        "sink": sink,
        "rows": [_as_json(row) for row in rows],
    }
    stem.with_suffix(".json").write_text(json.dumps(results, indent=2) + "\n")
    return text


def _line(row: Row, rows: Sequence[Row]) -> str:
    if not row.runs:
        return f"| {row.name} | failed | | | | | |"
    sent = f"{row.sent_bytes * row.speed / row.events / 1e6:.1f}" if row.sent_bytes else ""
    peaks = ", ".join(f"{name} {peak:.0f}" for name, peak in row.peaks.items())
    return (
        f"| {row.name} | {row.speed:,.0f} | {sent} | {_ratio(row, rows, 'ordinary')} "
        f"| {_ratio(row, rows, 'sketch')} | {row.cpu_per_million:.1f} | {peaks} |"
    )


def _ratio(row: Row, rows: Sequence[Row], role: str) -> str:
    for other in rows:
        if other.group == row.group and other.role == role and other.runs:
            return f"{row.speed / other.speed:.2f}"
    return ""


def _goals(rows: Sequence[Row]) -> list[str]:
    """Hold the rows against the goals; rows that were not measured are passed over."""
    found = {row.name: row for row in rows if row.runs}
    lines = []
    for goal in GOALS:
        row = found.get(goal.row)
        if row is None or (goal.against and goal.against not in found):
            continue
        figure = goal.figure(row)
        if goal.against:
            figure /= goal.figure(found[goal.against])
        met = figure <= goal.bound if goal.at_most else figure >= goal.bound
        sign = "at most" if goal.at_most else "at least"
        unit = f" times {goal.against}" if goal.against else ""
        lines.append(
            f"- {'met' if met else 'MISSED'}: {goal.row}, {goal.what}: {figure:,.2f}{unit}, "
            f"goal {sign} {goal.bound:,g}"
        )
    return lines


def _about_sink(sink: dict[str, Any]) -> str:
    if not sink["events"]:
        return "Nothing was sent."
    cost = sink["cpu_seconds"] * MILLION / sink["events"]
    return (
        f"The server on loopback used {cost:.1f} CPU seconds a million events on the same cores, "
        f"for {sink['events'] / sink['requests']:,.0f} events and "
        f"{sink['wire_bytes'] / sink['requests'] / 1000:,.0f} KB a request on average "
        f"({sink['plain_bytes'] / sink['events']:,.0f} bytes an event before compression)."
    )


def _as_json(row: Row) -> dict[str, Any]:
    return {
        "name": row.name,
        "group": row.group,
        "events": row.events,
        "sent_bytes": row.sent_bytes,
        "events_per_second": row.speed if row.runs else None,
        "cpu_seconds_per_million": row.cpu_per_million if row.runs else None,
        "runs": [vars(run) for run in row.runs],
        "start_up": vars(row.start_up) if row.start_up else None,
    }
