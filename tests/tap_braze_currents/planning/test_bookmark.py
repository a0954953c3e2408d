"""The bookmark by itself, and the whole tap over a bucket that changes, crashes and forgets."""

from __future__ import annotations

import contextlib
import io
import itertools
import json
import os
import shutil
import sys
import tempfile
import threading
from collections import Counter
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import NamedTuple
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.bucket.layout import (
    FileKey,
    parse_path,
    shift,
    to_datetime,
)
from tap_braze_currents.bucket.local_folder import LocalFolder
from tap_braze_currents.planning.bookmark import CLOCKS_DIFFER_BY, Bookmark
from tap_braze_currents.planning.coded_names import decode_names
from tap_braze_currents.run.conditions import RunConditions
from tests.currents_generator import file_key
from tests.tap_braze_currents.conftest import Output, catalog_of, make_tap, tap_of
from tests.tap_braze_currents.formats.test_decoding import avro_file

TYPES = ["users.messages.email.Open", "users.behaviors.Purchase"]
HOURS = st.integers(0, 24 * 400).map(lambda hours: shift("2026-01-01-00", hours))
KEYS = st.builds(
    FileKey, HOURS, st.sampled_from(["i1/1/z", "i2/1/z"]), st.integers(0, 9).map("0+{}".format)
) | st.builds(FileKey, st.just(""), st.just(""), st.sampled_from(["a.avro", "b/c.avro"]))
NOW = datetime(2027, 6, 1, tzinfo=timezone.utc)


def of(keys, lookback=48, latest="2027-12-31-00", **seal):
    bookmark = Bookmark()
    for key in keys:
        bookmark.mark_read(key)
    bookmark.seal(lookback, latest, **seal)
    return bookmark


@given(st.lists(KEYS), st.integers(0, 100))
def test_what_was_read_is_done_and_survives_the_state(keys, lookback):
    bookmark = of(keys, lookback)
    again = Bookmark.from_state(json.loads(json.dumps(bookmark.to_state())))

    assert all(bookmark.is_done(key) and again.is_done(key) for key in keys)
    assert again.to_state() == bookmark.to_state()


@given(st.lists(KEYS), st.randoms())
def test_the_order_of_reading_does_not_change_the_state(keys, random):
    shuffled = list(keys)
    random.shuffle(shuffled)

    assert json.dumps(of(keys).to_state()) == json.dumps(of(shuffled).to_state())


@given(st.lists(KEYS, min_size=1), KEYS)
def test_an_unread_file_is_never_done(keys, other):
    bookmark = of(keys, unread=[other])

    if other not in keys:
        assert not bookmark.is_done(other)


def test_the_state_does_not_grow_with_the_history():
    bookmark = Bookmark()
    sizes = []
    for number in range(3000):
        bookmark.mark_read(FileKey(shift("2026-01-01-00", number), "i/1/z", f"0+{number:010d}"))
        bookmark.seal(48, "2030-01-01-00")
        sizes.append(len(json.dumps(bookmark.to_state())))

    assert max(sizes[100:]) == min(sizes[100:])


def test_a_folder_from_the_future_seals_nothing_of_the_present():
    bookmark = of([FileKey("2099-01-01-00", "i", "0+1")], latest="2026-11-01-12")

    assert bookmark.sealed_hour == "2026-10-30-11"


def test_a_state_of_version_1_is_read_and_goes_on():
    read = [{"folder": "i1/1/z", "hour": "2026-11-01-00", "names": ["0+0000000001", "0+7"]}]
    bookmark = Bookmark.from_state({"version": 1, "read": read, "newest_hour": "2026-11-01-00"})

    assert bookmark.is_done(FileKey("2026-11-01-00", "i1/1/z", "0+0000000001"))
    assert bookmark.is_done(FileKey("2026-11-01-00", "i1/1/z", "0+7"))
    assert bookmark.to_state()["version"] == 2


def test_a_state_of_another_version_is_refused():
    with pytest.raises(SettingsError, match="--full-refresh"):
        Bookmark.from_state({"version": 3})


@pytest.mark.parametrize(
    "state",
    [
        {"read": {"i": 1}},
        {"read": [{"folder": "i", "hour": "2026-11-01-00", "names": "0+1"}]},
        {"read": [{"folder": "i", "day": "2026-11-01", "hours": "00 5"}]},
        {"read": [{"folder": "i", "day": "2026-11-01", "hours": "24 0+1"}]},
        {"read": [{"folder": "i", "day": "2026-11-01", "hours": "00 0+1 1*99999999"}]},
        {"read": [{"folder": "i", "day": "2026-11-01"}]},
        {"read": [{"folder": "i", "day": "2026-11-01", "hours": 3}]},
        {"sealed_hour": "x"},
        {"sealed_hour": 3},
        {"first_run": 3},
        {"paths": "abc"},
        {"shared": [{"path": "a"}]},
        {"shortest_lookback": "x"},
    ],
)
def test_a_state_that_makes_no_sense_is_refused(state):
    with pytest.raises(SettingsError, match="cannot be read"):
        Bookmark.from_state({"version": 1, **state})


@pytest.mark.parametrize(
    "path",
    [
        file_key(TYPES[0], NOW, partition=3, offset=17),
        file_key(TYPES[0], NOW).replace(".avro", ".json.gz"),
        f"event_type={TYPES[0]}/date=2026-11-01-05/1/z/x+1+2.avro",
        f"dataexport.a.S3.integration.b/event_type={TYPES[0]}/date=2026-11-01-05/odd.name.avro",
        "flat.avro",
        "some/where/flat.avro",
    ],
)
def test_a_key_leads_back_to_its_path(path):
    assert parse_path(path).path(TYPES[0]) == path


TAP = tap_of(*TYPES)


class CrashError(Exception):
    """The process is gone."""


class File(NamedTuple):
    event_type: str
    hour: str
    modified: datetime


class FileToCome(NamedTuple):
    event_type: str
    hours_ago: int
    age: int
    """Seconds by which its modification time lies before its coming."""


AGES = st.sampled_from([0, 30, 61, 540, 3600, 400_000])
COMING = st.builds(FileToCome, st.sampled_from(TYPES), st.integers(0, 60), AGES)
OLDEST_FOR_A_SWEEP = CLOCKS_DIFFER_BY - timedelta(minutes=1)


class BucketMachine(RuleBasedStateMachine):
    """Files come in any hour, at any time, also while the bucket is being listed; runs crash, lose
    STATE, have a wrong clock, and go on."""

    catalog = None

    @initialize(
        lookback=st.sampled_from([2, 48]),
        limit=st.sampled_from([None, None, 1, 3]),
        with_faults=st.booleans(),
        coming=st.lists(COMING, min_size=3, max_size=8),
    )
    def start(self, lookback, limit, with_faults, coming):
        self.open_bucket()
        self.settings = {"lookback_hours": lookback, "settle_seconds": 60}
        if limit:
            self.settings["max_files_per_run"] = limit
        self.shortest_lookback = lookback
        self.now = NOW
        self.clock_error = timedelta()
        self.files: dict[str, File] = {}
        self.late: set[str] = set()
        """Files that came when their hour was sealed: only a sweep finds them."""
        self.disguised: set[str] = set()
        """Those of them that claim to have come long before: no sweep finds them."""
        self.emitted: Counter[str] = Counter()
        self.state: dict = {}
        self.states: list[dict] = [{}]
        self.with_faults = with_faults
        self.first_run = NOW
        """What the clock of the tap said when it first ran."""
        self.put_file(FileToCome(TYPES[0], 0, 3600))
        for file in coming:
            self.put_file(file)
        if BucketMachine.catalog is None:
            streams = [stream_id(name) for name in TYPES]
            catalog = catalog_of(*streams, only=["id"])
            catalog["streams"] = [s for s in catalog["streams"] if s["stream"] in streams]
            BucketMachine.catalog = catalog

    def open_bucket(self):
        self.root = Path(tempfile.mkdtemp(prefix="machine"))
        self.storage = {"storage_url": str(self.root)}

    def store_file(self, key, content, modified):
        path = self.root / key
        # Moved into place: no listing may see it before it is whole and has its time.
        draft = self.root.parent / f"{self.root.name}.draft"
        draft.write_bytes(content)
        os.utime(draft, (modified.timestamp(),) * 2)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.replace(path)

    def close_bucket(self):
        shutil.rmtree(self.root)

    def put_file(self, coming):
        event_type, hours_ago, age = coming
        number = str(len(self.files))
        key = file_key(event_type, self.now - timedelta(hours=hours_ago), offset=int(number))
        schema = {
            "type": "record",
            "name": event_type,
            "fields": [{"name": "id", "type": "string"}],
        }
        modified = self.now - timedelta(seconds=age)
        self.store_file(key, avro_file(schema, [{"id": number}]), modified)
        self.files[number] = File(event_type, parse_path(key).hour, modified)
        return number

    def note_if_late(self, number):
        file = self.files[number]
        sealed = self.state.get("bookmarks", {}).get(stream_id(file.event_type), {})
        if file.hour <= sealed.get("sealed_hour", "") and not self.emitted[number]:
            # What differs between clocks and what a time of modification is off share one bound.
            is_disguised = file.modified < max(self.now, self.first_run) - OLDEST_FOR_A_SWEEP
            (self.disguised if is_disguised else self.late).add(number)

    @precondition(lambda self: self.with_faults)
    @rule(lookback=st.sampled_from([2, 48]))
    def change_the_lookback(self, lookback):
        self.shortest_lookback = min(self.shortest_lookback, lookback)
        self.settings["lookback_hours"] = lookback

    @rule(seconds=st.sampled_from([-7200, -300, 0, 300, 7200]))
    def change_the_clock_of_the_tap(self, seconds):
        self.clock_error = timedelta(seconds=seconds)

    @contextlib.contextmanager
    def arriving(self, after, coming):
        """Let files turn up when the tap has made so many list calls."""
        list_folder, lock, calls = LocalFolder.list_folder, threading.Lock(), itertools.count()

        def list_and_let_arrive(store, folder):
            found = list_folder(store, folder)
            with lock:
                if next(calls) == after:
                    arrived.extend(map(self.put_file, coming))
            return found

        arrived: list[str] = []
        with mock.patch.object(LocalFolder, "list_folder", list_and_let_arrive):
            yield
        for number in arrived:
            self.note_if_late(number)

    def run(self, *, crash_after: int | None = None, sweep: bool = False) -> Output:
        now = self.now + self.clock_error
        if not self.state:
            self.first_run = max(self.first_run, now)
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with (
            mock.patch.object(sys, "stdout", out),
        ):
            tap = make_tap(
                state=json.loads(json.dumps(self.state)),
                tap_class=TAP,
                conditions=RunConditions(
                    clock=lambda: now, records_between_states=1, most_state_share=float("inf")
                ),
                catalog=json.loads(json.dumps(self.catalog)),
                sweep=sweep,
                **self.storage,
                **self.settings,
            )
            if crash_after is not None:
                write_lines, left = tap.message_writer.write_lines, [crash_after]

                def write(lines):
                    write_lines(lines)
                    left[0] -= lines.startswith(b'{"type":"RECORD"')
                    if left[0] < 0:
                        raise CrashError

                tap.message_writer.write_lines = write
            with contextlib.suppress(CrashError):
                tap.sync_all()
        output = Output(out.buffer.getvalue().decode())
        for records in output.records.values():
            self.emitted.update(record["id"] for record in records)
        states = [message["value"] for message in output.of("STATE")]
        if states:
            self.state = states[-1]
            self.states += states
        return output

    @rule(
        coming=st.lists(COMING, min_size=1, max_size=5),
        seconds=st.sampled_from([0, 61, 900]) | st.integers(0, 200_000),
        during=st.none() | st.tuples(st.integers(0, 12), st.lists(COMING, min_size=1, max_size=3)),
        crash_after=st.none() | st.integers(0, 3),
        sweep=st.sampled_from([False, False, True]),
    )
    def files_come_and_then_a_run(self, coming, seconds, during, crash_after, sweep):
        for file in coming:
            self.note_if_late(self.put_file(file))
        self.now += timedelta(seconds=seconds)
        crash_after = crash_after if self.with_faults else None
        with self.arriving(*during) if during else contextlib.nullcontext():
            self.run(crash_after=crash_after, sweep=sweep)

    @precondition(lambda self: self.with_faults)
    @rule()
    def lose_the_last_state(self):
        self.states = self.states[:-1] or [{}]
        self.state = self.states[-1]

    @rule(sweep=st.booleans())
    def everything_settled_is_emitted_in_the_end(self, sweep):
        self.now += timedelta(seconds=61)
        for _ in range(len(self.files) + 1):
            if not self.run(sweep=sweep).of("RECORD"):
                break
        clock = self.now + self.clock_error
        found = self.files.keys() - self.disguised
        if not sweep:
            found -= self.late
        for number in found:
            file = self.files[number]
            is_settled = file.modified <= clock - timedelta(seconds=60)
            if is_settled and to_datetime(file.hour) <= clock + timedelta(hours=24):
                assert self.emitted[number] >= 1
                self.late.discard(number)
        assert self.run(sweep=sweep).of("RECORD") == []

    @precondition(lambda self: not self.with_faults)
    @invariant()
    def nothing_is_emitted_twice_without_a_crash(self):
        assert max(self.emitted.values(), default=0) <= 1

    @invariant()
    def the_state_is_bounded_by_what_lies_within_the_lookback(self):
        for bookmark in self.state.get("bookmarks", {}).values():
            sealed, newest = bookmark.get("sealed_hour"), bookmark.get("newest_hour")
            if sealed:
                assert all(hour > sealed for _, hour in decode_names(bookmark["read"]))
                assert sealed <= shift(newest, -self.shortest_lookback - 1)

    def teardown(self):
        if hasattr(self, "storage"):
            for sweep in (False, True):
                self.everything_settled_is_emitted_in_the_end(sweep=sweep)
            if not self.with_faults:
                self.nothing_is_emitted_twice_without_a_crash()
            self.close_bucket()


TestBucketMachine = pytest.mark.slow(BucketMachine.TestCase)
TestBucketMachine.settings = settings(max_examples=60, stateful_step_count=10, deadline=None)
