"""Event types that differ only in letter case are one stream, and none of their files is lost."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone

import pytest

from tests.currents_generator import file_key, write_file
from tests.tap_braze_currents.conftest import catalog_of, make_tap, tap_of

OPEN, LOUD = "users.messages.email.Open", "users.messages.email.OPEN"
STREAM = "users_messages_email_open"
NEW, LOUD_NEW = "users.messages.telepathy.Send", "Users.Messages.Telepathy.Send"
FIRST = datetime(2026, 11, 1, tzinfo=timezone.utc)
TAP = tap_of(OPEN)


def put(root, event_type, hour, event_id):
    fields = [{"name": "id", "type": "string"}, {"name": "time", "type": "int"}]
    schema = {"type": "record", "name": event_type, "fields": fields}
    path = root / file_key(event_type, FIRST + timedelta(hours=hour))
    path.parent.mkdir(parents=True, exist_ok=True)
    write_file(path, event_type, [{"id": event_id, "time": 1}], schema=schema)
    return path


def ids(output):
    return sorted(message["record"]["id"] for message in output.of("RECORD"))


@pytest.mark.parametrize("loud_hour", [0, 100])
def test_both_spellings_are_read_once_and_neither_seals_the_hours_of_the_other(
    tmp_path, run_tap, loud_hour
):
    put(tmp_path, OPEN, 0, "genuine")
    put(tmp_path, LOUD, loud_hour, "loud")
    first = run_tap(tmp_path, tap_class=TAP)
    put(tmp_path, OPEN, 1, "later")
    second = run_tap(tmp_path, tap_class=TAP, state=first.state)
    third = run_tap(tmp_path, tap_class=TAP, state=second.state)

    assert ids(first) == ["genuine", "loud"]
    assert ids(second) == ["later"]
    assert ids(third) == []
    assert {message["stream"] for message in first.of("RECORD")} == {STREAM}


def test_a_catalog_with_one_spelling_reads_them_all(tmp_path, run_tap):
    put(tmp_path, OPEN, 0, "genuine")
    put(tmp_path, LOUD, 0, "loud")

    assert ids(run_tap(tmp_path, catalog=catalog_of(STREAM))) == ["genuine", "loud"]


def test_files_in_no_hour_and_mixed_json_are_read_whatever_the_spelling(tmp_path, run_tap):
    events = [{"event_type": name, "id": name, "time": 1} for name in (OPEN, LOUD)]
    (tmp_path / "a.json").write_text("\n".join(map(json.dumps, events)))
    put(tmp_path, LOUD, 0, "b").rename(tmp_path / "b.avro")

    first = run_tap(tmp_path, tap_class=TAP)
    second = run_tap(tmp_path, tap_class=TAP, state=first.state)

    assert ids(first) == sorted([OPEN, LOUD, "b"])
    assert ids(second) == []


def test_a_second_spelling_of_an_unknown_type_loses_nothing_of_the_first(tmp_path, run_tap):
    put(tmp_path, NEW, 0, "new")
    put(tmp_path, NEW, 100, "newer")
    tap_class = tap_of(NEW, LOUD_NEW)
    first = run_tap(tmp_path, tap_class=tap_class)
    put(tmp_path, LOUD_NEW, 0, "loud")
    put(tmp_path, NEW, 101, "newest")
    second = run_tap(tmp_path, tap_class=tap_class, state=first.state)

    assert ids(first) == ["new", "newer"]
    assert ids(second) == ["loud", "newest"]


def test_a_catalog_has_each_stream_once(tmp_path):
    put(tmp_path, NEW, 0, "a")
    put(tmp_path, LOUD_NEW, 0, "b")

    streams = [entry["tap_stream_id"] for entry in make_tap(tmp_path).catalog_dict["streams"]]

    assert len(streams) == len(set(streams))
