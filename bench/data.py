"""The benchmark's data, made once and kept in a cache folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
RESULTS = Path(os.environ.get("BENCH_RESULTS", ROOT / "bench" / "results"))
"""Where reports, logs and the cache of data go."""


NEEDED_FIELDS = {"id", "time", "external_user_id"}


@dataclass(frozen=True)
class DataSet:
    """A bucket and the same events as Singer lines."""

    bucket: Path
    events: int
    types: int

    @property
    def lines(self) -> Path:
        """SCHEMA and RECORD lines of all events, for a target alone."""
        return self.bucket.with_suffix(".singer")

    @property
    def catalog(self) -> Path:
        """A catalog that selects all streams and leaves a third of the fields out."""
        return self.bucket.with_suffix(".catalog")


def prepare(events: int, types: int, *, lines: bool = True) -> DataSet:
    """Make a data set, or find it in the cache.

    Every event has an external id and a time that Mixpanel takes, so that each one that is read
    must also arrive: a target that loses or skips some would look faster than it is.

    Args:
        events: How many.
        types: Of how many event types, the usual ones first.
        lines: Whether the Singer lines are needed too.
    """
    data = DataSet(RESULTS / "data" / f"{events}-of-{types}", events, types)
    done = data.bucket.with_suffix(".done")
    if not done.exists():
        _run(
            [sys.executable, "-m", "tests.currents_generator", "--out", str(data.bucket)],
            ["--events", str(events), "--types", str(types), "--anonymous", "0"],
            ["--start", "2026-10-01T00", "--hours", str(max(2, min(48, events // 100_000)))],
        )
        done.touch()
    if not data.catalog.exists():
        _write_catalog(data)
    if lines and not data.lines.exists():
        config = data.bucket.with_suffix(".json")
        partial = data.lines.with_suffix(".partial")
        with partial.open("wb") as out:
            _run(
                [sys.executable, "-m", "bench.baselines.sdk_tap", "--msgspec"],
                ["--config", str(config)],
                stdout=out,
            )
        partial.rename(data.lines)
    return data


def _write_catalog(data: DataSet) -> None:
    config = data.bucket.with_suffix(".json")
    config.write_text(json.dumps({"storage_url": str(data.bucket)}))
    tap = [sys.executable, "-m", "tap_braze_currents.tap", "--discover", "--config", str(config)]
    catalog = json.loads(subprocess.run(tap, check=True, cwd=ROOT, capture_output=True).stdout)
    for stream in catalog["streams"]:
        fields = [entry for entry in stream["metadata"] if entry["breadcrumb"]]
        for entry in fields[::3]:
            entry["metadata"]["selected"] = entry["breadcrumb"][-1] in NEEDED_FIELDS
    data.catalog.write_text(json.dumps(catalog))


def _run(*parts: list[str], stdout: object = None) -> None:
    argv = [word for part in parts for word in part]
    subprocess.run(argv, check=True, cwd=ROOT, stdout=stdout, stderr=subprocess.PIPE)  # type: ignore[call-overload]
