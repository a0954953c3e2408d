"""Write the sample bucket that `make run` reads: `python -m tests.make_sample_bucket`.

Two days of a made-up app: every event type, the usual ones more often, and of everything a real
bucket surprises with a little.
"""

from __future__ import annotations

import shutil
from datetime import datetime, timezone
from pathlib import Path

from tests.currents_generator import (
    CURRENT,
    FEWER_FIELDS,
    OLDER,
    USUAL_TYPES,
    Bucket,
    Mix,
    event_types,
    generate,
)

SAMPLE_BUCKET = Path(__file__).parents[1] / "sample_bucket"
DAYS = (1, 2)
SEED = "sample"


def make_sample_bucket(out: Path) -> list[Bucket]:
    """Write the files below `out`; every call writes the same."""
    usual = generate(
        out,
        events=1200,
        types=USUAL_TYPES,
        seed=SEED,
        hours=[_hour(1, 9), _hour(1, 18), _hour(2, 9)],
        mix=Mix(anonymous=0.05, late=0.03, before_2010=0.005, redacted=0.02),
        duplicates=0.01,
        versions=(CURRENT, CURRENT, FEWER_FIELDS),
        population=150,
    )
    others = [name for name in event_types() if name not in USUAL_TYPES]
    days = [
        generate(
            out,
            events=4 * len(others[part::2]),
            types=others[part::2],
            seed=SEED,
            hours=[_hour(day, 12)],
            mix=Mix(anonymous=0.1, before_2010=0.01, placeholder=0.02),
            duplicates=0.01,
            versions=(CURRENT, *OLDER),
            population=150,
        )
        for part, day in enumerate(DAYS)
    ]
    return [usual, *days]


def _hour(day: int, hour: int) -> datetime:
    return datetime(2026, 11, day, hour, tzinfo=timezone.utc)


if __name__ == "__main__":
    shutil.rmtree(SAMPLE_BUCKET, ignore_errors=True)
    buckets = make_sample_bucket(SAMPLE_BUCKET)
    files = [file for bucket in buckets for file in bucket.files]
    size = sum(file.path.stat().st_size for file in files)
    types = {file.event_type for file in files}
    events = sum(file.events for file in files)
    print(f"{events} events of {len(types)} types in {len(files)} files, {size} bytes")  # noqa: T201
