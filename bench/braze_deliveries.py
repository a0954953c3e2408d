"""Deliveries to a Braze that answers after 100 ms: `python -m bench.braze_deliveries`."""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bench.stand_in import StandIn, running

if TYPE_CHECKING:
    from collections.abc import Iterable

TARGET = Path(sys.executable).parent / "target-braze-cohorts"
_HEADINGS = ("run", "seconds", "CPU", "people/s", "requests", "at once", "peak MB")
_SHUFFLE = 2_654_435_761
"""Odd, so that multiplying by it modulo 2³² gives each number another place."""
_KEYS = {
    "attribute": {"api_key": "key-of-the-benchmark"},
    "cohort": {"data_import_key": "key-of-the-benchmark", "partner_api_key": "another-key"},
}


class Delivery(NamedTuple):
    """One row.

    Attributes:
        way: The setting `delivery`.
        people: How many a new cohort has.
    """

    way: str
    people: int

    @property
    def name(self) -> str:
        """What the row is called."""
        return f"{self.way} {self.people:,} at 100 ms"


def write_cohort(path: Path, people: int) -> None:
    """Write a cohort as a tap would, its members in an order that is not theirs."""
    schema = {"type": "object", "properties": {}}
    with path.open("wb") as file:
        for stream in ("cohorts", "cohort_members"):
            message = {"type": "SCHEMA", "stream": stream, "schema": schema, "key_properties": []}
            file.write(json.dumps(message).encode() + b"\n")
        file.writelines(
            b'{"type":"RECORD","stream":"cohort_members","record":'
            b'{"distinct_id":"user-%08x","cohort_id":1}}\n' % (number * _SHUFFLE % 2**32)
            for number in range(people)
        )
        cohort = {"id": 1, "name": "Everybody", "count": people}
        message = {"type": "RECORD", "stream": "cohorts", "record": cohort}
        file.write(json.dumps(message).encode() + b"\n")


def measure(delivery: Delivery, braze: StandIn, settings: dict[str, Any]) -> tuple[str, ...]:
    """Deliver a cohort to a Braze that knows none of it, and return the row."""
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_cohort(folder / "input", delivery.people)
        config = {
            "rest_endpoint": braze.url,
            "delivery": delivery.way,
            "membership_db": f"sqlite:///{folder}/members.db",
            "dead_letter_path": str(folder / "dead_letter"),
            **_KEYS[delivery.way],
            **settings,
        }
        (folder / "config.json").write_text(json.dumps(config))
        braze.counts()
        begin = time.monotonic()
        with (
            (folder / "input").open("rb") as source,
            (folder / "out").open("wb") as out,
            (folder / "log").open("wb") as log,
        ):
            process = subprocess.Popen(
                [TARGET, "--config", folder / "config.json"], stdin=source, stdout=out, stderr=log
            )
            _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise RuntimeError((folder / "log").read_text())
    counts = braze.counts()
    if counts["added"] != delivery.people:
        msg = f"{counts['added']} of {delivery.people} people arrived"
        raise RuntimeError(msg)
    return (
        delivery.name,
        f"{seconds:.1f}",
        f"{usage.ru_utime + usage.ru_stime:.1f}",
        f"{delivery.people / seconds:,.0f}",
        str(counts["requests"]),
        str(counts["at once"]),
        f"{usage.ru_maxrss / 1024:.0f}",
    )


DELIVERIES = (Delivery("attribute", 100_000), Delivery("cohort", 1_000_000))


def print_deliveries(
    deliveries: Iterable[Delivery], settings: dict[str, Any] | None = None
) -> None:
    """Measure and print a table."""
    print(_line(_HEADINGS))
    with running("bench.slow_braze") as braze:
        for delivery in deliveries:
            print(_line(measure(delivery, braze, settings or {})), flush=True)


def _line(cells: Iterable[str]) -> str:
    name, *figures = cells
    return "  ".join((f"{name:>28}", *(f"{cell:>9}" for cell in figures)))


def main() -> None:
    """Measure both ways of delivery and print a table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--people", type=int, default=0, help="instead of 100,000 and 1,000,000")
    parser.add_argument("--settings", default="{}", help="further settings as JSON")
    args = parser.parse_args()
    print_deliveries(
        (one._replace(people=args.people or one.people) for one in DELIVERIES),
        json.loads(args.settings),
    )


if __name__ == "__main__":
    main()
