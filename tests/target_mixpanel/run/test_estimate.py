"""A dry run estimates the events of a day and a month before they cost anything."""

from __future__ import annotations

import re

import pytest

from target_mixpanel.run.estimate import estimate
from target_mixpanel.run.timeline import Timeline
from tests.target_mixpanel.harness import open_record, record, run, schema

HOUR = 3600
DAY = 24 * HOUR
START = 1_790_002_800
"""The beginning of an hour."""


def timeline_of(*parts: tuple[str, float, int], most_cells: int = 50_000) -> Timeline:
    """Count events: name, hour from the start, how many."""
    timeline = Timeline(most_cells)
    for name, hour, count in parts:
        timeline.add([name] * count, [START + hour * HOUR] * count)
    return timeline


def covered(timeline: Timeline) -> tuple[float, float]:
    found = estimate(timeline)
    return (found.begin - START) / HOUR, (found.end - START) / HOUR


STEADY = [("Open", hour, 50) for hour in range(48)]


def test_a_steady_rate_is_found_by_name_and_in_all():
    found = estimate(timeline_of(*STEADY, *(("Click", hour, 5) for hour in range(0, 48, 2))))
    assert (found.a_day("Open"), found.a_month("Open")) == (1200, 36_000)
    assert (found.a_day("Click"), found.a_month("Click")) == (60, 1800)
    assert (found.total(1), found.total(30)) == (1260, 37_800)
    assert found.a_day("Never") == 0


def test_late_events_and_wrong_clocks_do_not_stretch_the_hours_but_count():
    late = [("Open", hour, 1) for hour in range(-100, -4)]
    timeline = timeline_of(*STEADY, *late, ("Open", 60_000, 2))
    assert covered(timeline) == (0, 48)
    assert estimate(timeline).a_day("Open") == 1250  # (48 * 50 + 96 + 2) / 2 days, to three digits


def test_a_campaign_in_one_hour_does_not_shrink_the_day_to_that_hour():
    timeline = timeline_of(*STEADY, ("Send", 30, 50_000))
    assert covered(timeline) == (0, 48)
    assert estimate(timeline).a_day("Send") == 25_000


def test_quiet_hours_in_between_are_hours_too():
    assert covered(timeline_of(("Open", 0, 20), ("Open", 27, 20))) == (0, 28)


@pytest.mark.parametrize(
    ("hours", "said"),
    [
        (1, "1 hour of events, 2026-09-21 15:00 to 2026-09-21 16:00 UTC. That is too little"),
        (23, "23 hours of events, 2026-09-21 15:00 to 2026-09-22 14:00 UTC. That is too little"),
        (24, "24 hours of events, .* UTC. Days of the week differ, so"),
        (24 * 7, "168 hours of events, .* UTC.$"),
    ],
)
def test_the_basis_is_named_and_so_is_too_little_of_it(hours, said):
    found = estimate(timeline_of(*(("Open", hour, 1) for hour in range(hours))))
    assert re.search(said, found.basis())


def test_years_of_events_that_are_counted_by_the_week_give_the_same_rate():
    parts = [("Open", 24 * day, 10) for day in range(3000)]
    timeline = timeline_of(*parts, most_cells=100)
    assert timeline.width == 7 * DAY
    assert estimate(timeline).a_day("Open") == pytest.approx(10, abs=0.1)


def test_without_events_there_is_nothing_to_estimate():
    assert estimate(Timeline()) is None


def test_a_dry_run_shows_it_in_the_closing_table_and_a_real_run_does_not(
    mixpanel, tmp_path, caplog
):
    caplog.set_level("INFO")
    source = schema() + b"".join(
        record(open_record(number, time=START + number * HOUR)) for number in range(48)
    )
    run(source, None, tmp_path, dry_run=True)
    assert re.search(r"event +read +mapped +skipped +rejected +a day +a month +why", caplog.text)
    assert re.search(r"Email Open +48 +48 +0 +0 +24 +720$", caplog.text, re.MULTILINE)
    assert re.search(r"total +48 +48 +0 +0 +24 +720$", caplog.text, re.MULTILINE)
    assert "are estimated from 48 hours of events" in caplog.text
    caplog.clear()
    run(source, mixpanel, tmp_path)
    assert "estimated" not in caplog.text
    assert "a month" not in caplog.text
