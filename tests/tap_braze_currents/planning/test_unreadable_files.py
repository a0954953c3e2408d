"""Files and folders that cannot be listed or read, now or ever."""

from __future__ import annotations

import errno
import json
import time
from functools import partial

import pytest

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError
from tap_braze_currents.bucket.reading_ahead import read_object
from tap_braze_currents.planning.coded_names import decode_names
from tap_braze_currents.run.conditions import RunConditions
from tests.tap_braze_currents.conftest import make_tap
from tests.tap_braze_currents.planning.small_files import (
    CATALOG,
    CUSTOM,
    OPEN,
    STREAM,
    TAP,
    failing,
    ids,
    put,
)


def test_a_pending_file_on_the_day_that_is_listed_is_emitted_once(tmp_path, run):
    paths = [put(tmp_path, hour) for hour in range(0, 61, 5)]
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:-10])
    state = failing(tmp_path)
    paths[1].write_bytes(whole)

    assert state["bookmarks"][STREAM]["sealed_hour"] == "2026-11-01-11"
    assert ids(run(state=state)) == ["h5"]


def test_a_folder_that_cannot_be_listed_does_not_count_as_empty(tmp_path, run):
    for hour in (0, 80):
        put(tmp_path, hour)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    real, failures = tap.bucket.store.list_folder, [OSError(errno.EIO, "Input/output error")]

    def ls(path, *args, **options):
        if "date=2026-11-01-00" in path and failures:
            raise failures.pop()
        return real(path, *args, **options)

    tap.bucket.store.list_folder = ls
    with pytest.raises(TemporaryError, match="Input/output error"):
        tap.sync_all()

    assert ids(run(state=tap.state)) == ["h0", "h80"]


def test_a_file_that_was_gone_for_a_moment_is_read_later(tmp_path, run, capfdbinary):
    for hour in (0, 80):
        put(tmp_path, hour)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    real = tap.bucket.store.read

    def cat_file(path, *args, **options):
        if "date=2026-11-01-00" in path:
            raise FileNotFoundError(path)
        return real(path, *args, **options)

    tap.bucket.store.read = cat_file
    tap.sync_all()
    capfdbinary.readouterr()

    assert tap.state["bookmarks"][STREAM]["sealed_hour"] > "2026-11-01-00"
    assert ids(run(state=json.loads(json.dumps(tap.state)))) == ["h0"]


def test_a_pending_file_that_may_not_be_looked_up_holds_nothing_up(tmp_path, capfdbinary):
    broken = put(tmp_path, 0)
    broken.write_bytes(broken.read_bytes()[:-10])
    state = failing(tmp_path)
    put(tmp_path, 1)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG, state=state)
    real = tap.bucket.store.look_up

    def info(path, **options):
        if path == str(broken):
            raise PermissionError("An error occurred (403) when calling the HeadObject operation")
        return real(path, **options)

    tap.bucket.store.look_up = info
    capfdbinary.readouterr()
    with pytest.raises(ConnectorError):
        tap.sync_all()

    assert b'"id":"h1"' in capfdbinary.readouterr().out


def test_broken_files_do_not_use_up_the_bound_of_a_run(tmp_path):
    paths = [put(tmp_path, hour) for hour in range(6)]
    for path in paths[:2]:
        path.write_bytes(path.read_bytes()[:-10])
    state = {}
    for _ in range(3):
        state = failing(tmp_path, state, max_files_per_run=2)

    read = decode_names(state["bookmarks"][STREAM]["read"])
    assert sorted(hour for _, hour in read) == [f"2026-11-01-0{hour}" for hour in range(2, 6)]


def test_with_a_bound_one_listing_that_fails_stops_its_stream_only(tmp_path, capfdbinary):
    for hour in range(3):
        put(tmp_path, hour)
        put(tmp_path, hour, event_type=CUSTOM)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG, max_files_per_run=9)
    real = tap.bucket.scan

    def scan(integration, event_type, *where):
        if event_type == CUSTOM:
            raise SettingsError("may not be listed")
        return real(integration, event_type, *where)

    tap.bucket.scan = scan
    with pytest.raises(SettingsError, match="may not be listed"):
        tap.sync_all()

    assert capfdbinary.readouterr().out.count(b'"RECORD"') == 3


@pytest.mark.parametrize(
    ("failure", "exit_code"),
    [
        (OSError("An error occurred (SlowDown): reduce your request rate"), 75),
        (PermissionError("ExpiredToken: The provided token has expired."), 78),
    ],
)
def test_a_service_that_fails_for_every_file_ends_the_run_with_its_own_code(
    tmp_path, caplog, failure, exit_code
):
    once = RunConditions(read_file=partial(read_object, attempts=1))
    for hour in range(40):
        put(tmp_path, hour)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG, conditions=once)

    def cat_file(path, *_args, **_options):
        raise failure

    tap.bucket.store.read = cat_file
    with pytest.raises(ConnectorError, match="See the log lines above") as caught:
        tap.sync_all()

    assert caught.value.exit_code == exit_code
    assert 2 <= caplog.text.count("date=2026-11-01-") <= 20


def test_streams_are_listed_side_by_side(tmp_path):
    for event_type in (OPEN, CUSTOM):
        for hour in range(0, 24 * 20, 24):
            put(tmp_path, hour, event_type=event_type)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    real, running, most = tap.bucket.scan, [], []

    def scan(*where):
        running.append(where)
        most.append(len(running))
        time.sleep(0.05)
        running.remove(where)
        return real(*where)

    tap.bucket.scan = scan
    tap.sync_all()

    assert max(most) == 2
