"""Settings that change between the runs of one STATE."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest
from meltano.core.utils import merge

from braze_mixpanel.errors import StoppedError
from tests.currents_generator import file_key
from tests.tap_braze_currents.conftest import make_tap
from tests.tap_braze_currents.planning.small_files import (
    CATALOG,
    FIRST,
    OPEN,
    STATE_AFTER_EACH_FILE,
    STREAM,
    TAP,
    failing,
    ids,
    put,
    write,
)


def test_a_sweep_finds_what_a_shorter_lookback_missed(tmp_path, run):
    recent = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    hour = int((recent - FIRST).total_seconds()) // 3600
    for back in (10, 9, 8):
        put(tmp_path, hour - back)
    first = run(lookback_hours=0)
    first.state["bookmarks"][STREAM]["first_run"] = (recent - timedelta(hours=8)).isoformat()
    path = file_key(OPEN, recent - timedelta(hours=10), offset=99)
    write(tmp_path / path, "ten hours late")

    second = run(lookback_hours=48, state=first.state)
    third = run(lookback_hours=48, state=second.state, sweep=True)

    assert ids(second) == []
    assert ids(third) == ["ten hours late"]


def test_a_start_that_moves_back_is_reported_and_a_sweep_reads_the_hours_before(
    tmp_path, run, caplog
):
    long_ago = FIRST - timedelta(days=365)
    for hour in range(0, 240, 24):
        put(tmp_path, hour, at=long_ago)
    first = run(start_date="2026-11-05")
    second = run(start_date="2026-11-01", state=first.state)
    third = run(start_date="2026-11-01", state=second.state, sweep=True)
    fourth = run(start_date="2026-11-01", state=third.state, sweep=True)

    assert len(ids(first)) == 6
    assert ids(second) == []
    assert "set sweep for one run" in caplog.text
    assert ids(third) == ["h0", "h24", "h48", "h72"]
    assert ids(fourth) == []


def test_a_full_refresh_forgets_also_where_meltano_merges_states(tmp_path, run):
    broken = put(tmp_path, 0)
    for hour in (40, 80):
        put(tmp_path, hour)
    before = run()
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-20])
    refreshed = failing(tmp_path)
    merged = merge(refreshed, before.state)
    broken.write_bytes(whole)

    assert merged == refreshed
    assert ids(run(state=merged)) == ["h0"]


def test_a_run_with_a_shorter_lookback_that_is_stopped_loses_nothing_that_came_late(
    tmp_path, run, capfdbinary
):
    for hour in range(10, 30):
        put(tmp_path, hour)
    first = run()
    for hour in range(3):
        put(tmp_path, hour)
    tap = make_tap(
        tmp_path,
        tap_class=TAP,
        catalog=CATALOG,
        state=first.state,
        conditions=STATE_AFTER_EACH_FILE,
        lookback_hours=1,
    )
    write = tap.message_writer.write_lines

    def write_lines(lines):
        write(lines)
        if b'"RECORD"' in lines:
            tap.run.stop()

    tap.message_writer.write_lines = write_lines
    with pytest.raises(StoppedError):
        tap.sync_all()
    capfdbinary.readouterr()

    assert ids(run(state=json.loads(json.dumps(tap.state)), lookback_hours=1)) == ["h1", "h2"]
