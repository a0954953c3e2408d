"""A bucket that was copied just before the first run: every file is new by its time."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

from tap_braze_currents.planning.bookmark import MOST_FILES_IN_DOUBT
from tests.tap_braze_currents.conftest import make_tap
from tests.tap_braze_currents.planning.small_files import CATALOG, STREAM, TAP, ids, put

MANY = MOST_FILES_IN_DOUBT + 50


def five_minutes_ago():
    """By the clock of each call: a long run of tests imports this file well before."""
    return datetime.now(timezone.utc) - timedelta(minutes=5)


def put_copies(root, hours):
    for hour in range(hours):
        put(root, hour, at=five_minutes_ago())


def bookmark(output):
    return output.state["bookmarks"][STREAM]


def test_its_files_leave_nothing_in_the_state_beyond_the_open_hours(tmp_path, run):
    put_copies(tmp_path, 60)
    usual = run(lookback_hours=2)
    put_copies(tmp_path, 4 * MANY)
    copied = run(lookback_hours=2)

    assert len(ids(copied)) == 4 * MANY
    assert bookmark(copied)["late"] == []
    assert bookmark(copied)["in_doubt"] is None
    assert len(json.dumps(bookmark(copied))) < len(json.dumps(bookmark(usual)))


def test_later_runs_leave_nothing_either(tmp_path, run):
    put_copies(tmp_path, MANY)
    output = run(lookback_hours=2, max_files_per_run=MANY // 2)
    seen = ids(output)
    for _ in range(3):
        output = run(lookback_hours=2, max_files_per_run=MANY // 2, state=output.state)
        seen += ids(output)

    assert sorted(seen) == sorted(f"h{hour}" for hour in range(MANY))
    assert bookmark(output)["late"] == []
    assert bookmark(output)["in_doubt"] is None


def test_a_sweep_finds_what_came_late_and_reads_the_copies_once_more(tmp_path, run):
    put_copies(tmp_path, MANY)
    first = run(lookback_hours=2)
    put(tmp_path, 7.5, at=five_minutes_ago())
    ordinary = run(lookback_hours=2, state=first.state)
    swept = run(lookback_hours=2, state=ordinary.state, sweep=True)

    assert ids(ordinary) == []
    assert "h7.5" in ids(swept)
    assert bookmark(swept)["late"] == []


def test_few_files_in_doubt_are_named_and_no_sweep_repeats_them(tmp_path, run):
    put_copies(tmp_path, MOST_FILES_IN_DOUBT // 2)
    first = run(lookback_hours=2)
    put(tmp_path, 7.5, at=five_minutes_ago())
    swept = run(lookback_hours=2, state=first.state, sweep=True)
    again = run(lookback_hours=2, state=swept.state, sweep=True)

    assert ids(swept) == ["h7.5"]
    assert ids(again) == []


def test_a_state_without_this_part_is_read(tmp_path):
    put_copies(tmp_path, 5)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    tap.sync_all()
    state = json.loads(json.dumps(tap.state))
    del state["bookmarks"][STREAM]["in_doubt"]
    later = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG, state=state)
    later.sync_all()
    assert later.state["bookmarks"][STREAM]["in_doubt"] == []
