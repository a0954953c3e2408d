"""Every spelling of a time in a Currents stream is one instant, or is refused, in both lanes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.target_mixpanel.harness import dry_run_events, open_record, record, run, schema

if TYPE_CHECKING:
    from pathlib import Path

INSTANT = 1_762_000_000  # 2025-11-01T12:26:40Z
SPELLINGS = [
    INSTANT,
    float(INSTANT),
    INSTANT * 10**3,
    INSTANT * 10**6,
    INSTANT * 10**9,
    str(INSTANT),
    str(INSTANT * 10**3),
    "2025-11-01T12:26:40Z",
    "2025-11-01T12:26:40.000Z",
    "2025-11-01 12:26:40",
    "2025-11-01 12:26:40 UTC",
    "2025-11-01T12:26:40+00",
    "2025-11-01T12:26:40+0000",
    "2025-11-01T05:26:40-07:00",
    "20251101T122640Z",
    "20251101T122640,0Z",
]
REFUSED: list[Any] = [
    0,
    1,
    -1,
    631_151_999,
    31_536_000,
    5_000_000_000,
    "0",
    "1970-01-01",
    "2101-01-01",
    "20251101122640",
    "yesterday",
    "",
    True,
    [],
    {},
]


def run_with(time: object, folder: Path) -> Any:
    return run(
        schema() + record(open_record(1, time=time)),
        None,
        folder,
        dry_run=True,
        min_event_time="1971-01-01",
        max_rejected_ratio=1,
    )


@pytest.mark.parametrize("time", SPELLINGS)
def test_every_spelling_of_an_instant_is_one_time(time: object, tmp_path: Path) -> None:
    done = run_with(time, tmp_path)
    assert done.error is None
    assert [event["properties"]["time"] for event in dry_run_events(tmp_path)] == [INSTANT]


@pytest.mark.parametrize("time", REFUSED, ids=json.dumps)
def test_what_is_no_plausible_time_is_rejected(time: object, tmp_path: Path) -> None:
    done = run_with(time, tmp_path)
    assert done.account.rejected_count == 1
    assert not dry_run_events(tmp_path)
