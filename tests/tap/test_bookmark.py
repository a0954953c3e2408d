"""The bookmark by itself, and the whole tap over a bucket that changes, crashes and forgets."""

from __future__ import annotations

import contextlib
import io
import json
import sys
from collections import Counter
from datetime import date, datetime, timedelta, timezone
from unittest import mock

import fsspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from braze_mixpanel.errors import SettingsError
from tap_braze_currents import run as run_module
from tap_braze_currents.bookmark import Bookmark
from tap_braze_currents.layout import FileKey, covering_prefixes, parse_path, shift, to_datetime
from tests.currents_generator import file_key
from tests.tap.conftest import Output, catalog_of, make_tap, tap_of
from tests.tap.test_decoding import avro_file

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


def test_a_state_of_another_version_is_refused():
    with pytest.raises(SettingsError, match="--full-refresh"):
        Bookmark.from_state({"version": 2})


@pytest.mark.parametrize("state", [{"read": []}, {"read": {"i": 1}}, {"sealed_hour": "x"}])
def test_a_state_that_makes_no_sense_is_refused(state):
    with pytest.raises(SettingsError, match="cannot be understood"):
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


DAYS = st.dates(date(2019, 1, 1), date(2032, 12, 31))


@given(DAYS, DAYS)
def test_prefixes_cover_each_day_once_and_are_few(one, other):
    first, last = min(one, other), max(one, other)
    prefixes = covering_prefixes(first, last)
    covered: Counter[str] = Counter()
    day = first - timedelta(days=400)
    while day <= last + timedelta(days=400):
        text = day.isoformat()
        covered[text] += sum(text.startswith(prefix) for prefix in prefixes)
        day += timedelta(days=1)

    for text, times in covered.items():
        assert times == (first.isoformat() <= text <= last.isoformat())
    assert prefixes == sorted(prefixes)
    assert len(prefixes) <= 60


TAP = tap_of(*TYPES)


class CrashError(Exception):
    """The process is gone."""


class ClockedDatetime(datetime):
    moment = NOW

    @classmethod
    def now(cls, tz=None):
        return cls.moment


class BucketMachine(RuleBasedStateMachine):
    """Files come in any hour, at any time; runs crash, lose STATE, and go on."""

    number = 0
    catalog = None

    @initialize(lookback=st.sampled_from([2, 48]), limit=st.sampled_from([None, 1, 3]))
    def start(self, lookback, limit):
        BucketMachine.number += 1
        self.root = f"/machine{BucketMachine.number}"
        self.fs = fsspec.filesystem("memory")
        self.fs.makedirs(self.root, exist_ok=True)
        self.settings = {"lookback_hours": lookback, "settle_seconds": 60}
        if limit:
            self.settings["max_files_per_run"] = limit
        self.lookback = lookback
        self.limit = limit
        self.now = NOW
        self.files: dict[str, tuple[str, datetime]] = {}
        self.emitted: Counter[str] = Counter()
        self.state: dict = {}
        self.states: list[dict] = [{}]
        self.faults = False
        self.sealed: dict[str, str] = {}
        self.put(TYPES[0], 0, 3600)
        if BucketMachine.catalog is None:
            streams = [name.lower().replace(".", "_") for name in TYPES]
            catalog = catalog_of(*streams, only=["id"])
            catalog["streams"] = [s for s in catalog["streams"] if s["stream"] in streams]
            BucketMachine.catalog = catalog

    @rule(
        event_type=st.sampled_from(TYPES),
        hours_ago=st.integers(0, 60),
        age=st.sampled_from([0, 30, 61, 3600, 3600, 400_000]),
    )
    def put(self, event_type, hours_ago, age):
        """Put a file into a present or past hour, with whatever modification time."""
        number = len(self.files)
        key = file_key(event_type, self.now - timedelta(hours=hours_ago), offset=number)
        hour = parse_path(key).hour
        sealed = self.state.get("bookmarks", {}).get(event_type.lower().replace(".", "_"), {})
        if hour <= sealed.get("sealed_hour", ""):
            return  # only a sweep finds it
        schema = {
            "type": "record",
            "name": event_type,
            "fields": [{"name": "id", "type": "string"}],
        }
        path = f"{self.root}/{key}"
        self.fs.pipe_file(path, avro_file(schema, [{"id": str(number)}]))
        self.fs.store[path].modified = self.now - timedelta(seconds=age)
        self.files[str(number)] = (path, self.now - timedelta(seconds=age))

    @rule(seconds=st.integers(-7200, 200_000))
    def change_the_clock(self, seconds):
        self.now += timedelta(seconds=seconds)

    def run(self, *, crash_after: int | None = None) -> Output:
        ClockedDatetime.moment = self.now
        out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
        with (
            mock.patch.object(sys, "stdout", out),
            mock.patch.object(run_module, "datetime", ClockedDatetime),
            mock.patch.object(run_module, "RECORDS_BETWEEN_STATES", 1),
        ):
            tap = make_tap(
                f"memory:/{self.root}",
                state=json.loads(json.dumps(self.state)),
                tap_class=TAP,
                catalog=json.loads(json.dumps(self.catalog)),
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

    @rule()
    def run_to_the_end(self):
        self.run()

    @rule(after=st.integers(0, 3))
    def crash(self, after):
        self.faults = True
        self.run(crash_after=after)

    @rule()
    def lose_the_last_state(self):
        self.faults = True
        self.states = self.states[:-1] or [{}]
        self.state = self.states[-1]

    @rule()
    def everything_settled_is_emitted_in_the_end(self):
        self.now += timedelta(seconds=61)
        for _ in range(len(self.files) + 1):
            self.run()
            if not self.limit:
                break
        settled = {
            name
            for name, (_, modified) in self.files.items()
            if modified <= self.now - timedelta(seconds=60)
        }
        horizon = self.now + timedelta(hours=24)
        for name in settled:
            if to_datetime(parse_path(self.files[name][0][len(self.root) + 1 :]).hour) <= horizon:
                assert self.emitted[name] >= 1
        assert self.run().of("RECORD") == []

    @precondition(lambda self: not self.faults)
    @invariant()
    def nothing_is_emitted_twice_without_a_crash(self):
        assert max(self.emitted.values(), default=0) <= 1

    @invariant()
    def the_state_is_bounded(self):
        for bookmark in self.state.get("bookmarks", {}).values():
            hours = {hour for hours in bookmark.get("read", {}).values() for hour in hours}
            assert all(hour > bookmark["sealed_hour"] for hour in hours)

    def teardown(self):
        if hasattr(self, "root"):
            self.fs.rm(self.root, recursive=True)


TestBucketMachine = BucketMachine.TestCase
TestBucketMachine.settings = settings(max_examples=25, stateful_step_count=15, deadline=None)
