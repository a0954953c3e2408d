"""Buckets that are not quite as Braze writes them, and services that fail in between."""

from __future__ import annotations

import errno
import gzip
import json
import logging
import os
import subprocess
import sys
import threading
import time
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

import pytest
from meltano.core.utils import merge

from braze_mixpanel.errors import ConnectorError, SettingsError, StoppedError, TemporaryError
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.bucket.reading_ahead import read_object
from tap_braze_currents.planning.coded_names import decode_names
from tap_braze_currents.run.conditions import RunConditions
from tests.currents_generator import INTEGRATION, file_key, write_file
from tests.tap_braze_currents.conftest import catalog_of, make_tap, tap_of

OPEN, CUSTOM = "users.messages.email.Open", "users.behaviors.CustomEvent"
STREAM = stream_id(OPEN)
TAP = tap_of(OPEN, CUSTOM)
ANY_OPEN = f"event_type={OPEN}"
FOLDER = f"dataexport.prod-01.S3.integration.{INTEGRATION}"
FIRST = datetime(2026, 11, 1, tzinfo=timezone.utc)
STATE_AFTER_EACH_FILE = RunConditions(records_between_states=1, most_state_share=float("inf"))
CATALOG = catalog_of(STREAM, stream_id(CUSTOM), only=["id"])


def schema_of(event_type):
    fields = [{"name": "id", "type": "string"}, {"name": "time", "type": "int"}]
    return {"type": "record", "name": event_type, "fields": fields}


def write(path, event_id, event_type=OPEN):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_file(path, event_type, [{"id": event_id, "time": 1}], schema=schema_of(event_type))


def put(root, hour, *, event_type=OPEN, at=None):
    """Write a file of one event, whose id is `h` and the hour's number."""
    moment = FIRST + timedelta(hours=hour)
    path = write(root / file_key(event_type, moment, offset=hour), f"h{hour}", event_type)
    os.utime(path, ((at or moment).timestamp(),) * 2)
    return path


def ids(output):
    return sorted(message["record"]["id"] for message in output.of("RECORD"))


def failing(root, state=None, *, error=ConnectorError, **settings):
    """Run a tap that must fail; give it."""
    tap = make_tap(root, tap_class=TAP, catalog=CATALOG, state=state, **settings)
    with pytest.raises(error):
        tap.sync_all()
    return json.loads(json.dumps(tap.state))


@pytest.fixture
def run(tmp_path, run_tap):
    return lambda **settings: run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, **settings)


# Layouts


@pytest.mark.parametrize(
    "place",
    [
        f"team-a/{ANY_OPEN}/date=2026-11-01-05/f.avro",
        f"{FOLDER}/f.avro",
        f"{FOLDER}/copies/2026/f.avro",
        f"{FOLDER}/{ANY_OPEN}/date=2026-11-01/f.avro",
        "loose/f.avro",
        "f.avro",
    ],
)
@pytest.mark.parametrize("start", [None, "2026-11-01"])
def test_files_beside_brazes_own_layout_are_read_too_and_once(tmp_path, run, place, start):
    put(tmp_path, 0)
    write(tmp_path / place, "beside")
    settings = {"start_date": start} if start else {}

    first = run(**settings)
    second = run(state=first.state, **settings)

    assert ids(first) == ["beside", "h0"]
    assert ids(second) == []


@pytest.mark.parametrize("below", ["f.avro", "2026/11/01/f.avro", "date=2026-11-01T05/f.avro"])
@pytest.mark.parametrize("start", [None, "2026-11-01"])
def test_files_of_a_type_that_lie_in_no_hour_are_reported(tmp_path, run, caplog, below, start):
    put(tmp_path, 0)
    write(tmp_path / FOLDER / ANY_OPEN / below, "lost")

    output = run(**({"start_date": start} if start else {}))

    assert ids(output) == ["h0"]
    assert "are not read: their folder is none of an hour" in caplog.text
    assert below.partition("/")[0] in caplog.text


def test_a_folder_of_a_day_is_not_sealed_before_the_day_is_over(tmp_path, run):
    put(tmp_path, 48)
    write(tmp_path / FOLDER / ANY_OPEN / "date=2026-11-01" / "a.avro", "a")
    first = run(lookback_hours=30)
    write(tmp_path / FOLDER / ANY_OPEN / "date=2026-11-01" / "b.avro", "b")

    assert ids(first) == ["a", "h48"]
    assert ids(run(lookback_hours=30, state=first.state)) == ["b"]


def test_a_flat_folder_is_listed_in_a_few_calls(tmp_path):
    for number in range(40):
        write(tmp_path / f"{number}.avro", str(number))
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    real, calls = tap.bucket.store.list_folder, []

    def ls(path, *args, **options):
        calls.append(path)
        return real(path, *args, **options)

    tap.bucket.store.list_folder = ls
    tap.sync_all()

    assert len(calls) <= 3


def test_flat_files_that_concern_no_selected_stream_are_opened_once(tmp_path, run_tap):
    write(tmp_path / "open.avro", "a")
    write(tmp_path / "custom.avro", "b", CUSTOM)
    only_open = {"catalog": catalog_of(STREAM, only=["id"])}
    first = run_tap(tmp_path, tap_class=TAP, **only_open)
    tap = make_tap(tmp_path, tap_class=TAP, state=json.loads(json.dumps(first.state)), **only_open)
    real, opened = tap.bucket.store.read, []

    def cat_file(path, *args, **options):
        opened.append(path)
        return real(path, *args, **options)

    tap.bucket.store.read = cat_file
    tap.sync_all()
    later = run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, state=tap.state)

    assert ids(first) == ["a"]
    assert opened == []
    assert ids(later) == ["b"]


NAMES = ["20261101_100000_00037_unload", "part-00000", "events.avro.bak", "x.json", "e.deflate"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("zipped", [False, True])
def test_an_avro_file_in_the_folder_of_an_hour_is_read_whatever_its_name(
    tmp_path, run, name, zipped
):
    path = put(tmp_path, 0)
    odd = write(path.parent / name, "odd")
    if zipped:
        odd.write_bytes(gzip.compress(odd.read_bytes()))

    first = run()

    assert ids(first) == ["h0", "odd"]
    assert ids(run(state=first.state)) == []


def test_a_file_without_ending_that_is_broken_is_read_when_it_is_whole(tmp_path, run):
    path = write(put(tmp_path, 0).parent / "unload", "odd")
    put(tmp_path, 100)
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    state = failing(tmp_path)
    path.write_bytes(whole)

    assert ids(run(state=state)) == ["odd"]


@pytest.mark.parametrize("name", ["notes.txt", "data.parquet", "README"])
def test_a_file_of_another_form_in_the_folder_of_an_hour_is_named_once(tmp_path, run, caplog, name):
    other = put(tmp_path, 0).parent / name
    other.write_bytes(b"PAR1 or text")

    first = run()
    assert ids(first) == ["h0"]
    assert f"{other} is passed over: it is neither Avro nor JSON." in caplog.text
    caplog.clear()
    assert ids(run(state=first.state)) == []
    assert name not in caplog.text


def test_marks_of_other_tools_in_the_folder_of_an_hour_are_left_alone(tmp_path, run, caplog):
    folder = put(tmp_path, 0).parent
    for name in ("_SUCCESS", ".part.avro.crc", "_committed_1"):
        (folder / name).write_bytes(b"{}")
    (folder / "$folder$").write_bytes(b"")

    assert ids(run()) == ["h0"]
    assert "passed over" not in caplog.text


# Settings that change between runs


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
    assert "read only if sweep is set" in caplog.text
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


# Files that cannot be had


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
    with pytest.raises(ConnectorError, match="named above") as caught:
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


# The command


def test_a_signal_before_anything_was_read_ends_the_run_at_once(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    put(tmp_path, 0)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG)
    listed = threading.Event()

    def ls(*_args, **_options):
        listed.set()
        tap.handle_signal(15)

    tap.bucket.store.list_folder = ls
    with pytest.raises(StoppedError, match="before anything was read"):
        tap.sync_all()

    assert listed.is_set()


def command(folder, *arguments, bucket=None, stdin=""):
    config = folder / "config.json"
    config.write_text(json.dumps({"storage_url": str(bucket or folder), "settle_seconds": 0}))
    program = Path(sys.executable).parent / "tap-braze-currents"
    argv = [program, "--config", config, *arguments]
    return subprocess.run(argv, input=stdin, capture_output=True, text=True, check=False)


def test_a_state_is_read_from_a_pipe_like_from_a_file(tmp_path, run_tap):
    bucket = tmp_path / "bucket"
    put(bucket, 0)
    state = json.dumps(run_tap(bucket, tap_class=TAP, catalog=CATALOG).state)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(CATALOG))

    arguments = ["--catalog", catalog, "--state", "/dev/stdin"]
    done = command(tmp_path, *arguments, bucket=bucket, stdin=state)

    assert done.returncode == 0
    assert '"RECORD"' not in done.stdout


@pytest.mark.parametrize("content", ["[", "[]"])
@pytest.mark.parametrize("option", ["--state", "--catalog"])
def test_a_state_or_catalog_that_is_no_json_object_is_reported(tmp_path, option, content):
    path = tmp_path / "given.json"
    path.write_text(content)

    done = command(tmp_path, option, path)

    assert done.returncode == SettingsError.exit_code
    assert f"{option} {path} is no JSON object" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_test_run_keeps_to_the_catalog(tmp_path):
    put(tmp_path, 0)
    put(tmp_path, 0, event_type=CUSTOM)
    catalog = tmp_path / "catalog.json"
    catalog.write_text(json.dumps(catalog_of(STREAM, only=["id"])))

    done = command(tmp_path, "--test", "--catalog", catalog)

    messages = map(json.loads, done.stdout.splitlines())
    assert [m["stream"] for m in messages if m["type"] == "RECORD"] == [STREAM]
    assert "1 of 1 selected streams have files" in done.stderr


@pytest.mark.parametrize(
    ("option", "content"), [("--state", b'{"bookmarks": {}}'), ("--catalog", b'{"streams": []}')]
)
def test_a_state_or_catalog_can_come_through_a_pipe(tmp_path, option, content):
    command = [sys.executable, "-m", "tap_braze_currents", "--discover", option, "/dev/stdin"]
    (tmp_path / "config.json").write_text(json.dumps({"storage_url": str(tmp_path)}))
    command += ["--config", str(tmp_path / "config.json")]
    done = subprocess.run(command, input=content, capture_output=True, check=False)
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
