"""A record that takes too much memory as objects costs itself, on every way into the target."""

from __future__ import annotations

import json

import pytest

from braze_mixpanel.errors import InputError
from braze_mixpanel.singer.large_records import UNREAD
from tests.target_mixpanel.harness import (
    STREAM,
    TIME,
    line,
    open_record,
    opens,
    run,
    schema,
    state,
)

MANY = b"[" + b",".join([b"{}"] * 500_001) + b"]"
DEEP = b"[" * 300_000 + b"]" * 300_000 + b",[" * 300_000 + b"]" * 300_000
LONG = b"NaN,%s" % (b'"%s"' % (b"a" * (1 << 24)))
SCHEMA = schema(STREAM, **{name: {} for name in open_record(1)})
MAPS = {STREAM: {"external_user_id": "external_user_id"}}
LAST = {"bookmarks": {STREAM: 9}}
FORMS = {
    "as usual": b'{"type":"RECORD","stream":"%s","record":%s}',
    "type last": b'{"record":%s, "stream":"%s", "type":"RECORD"}',
    "with a time": b'{"type": "RECORD", "stream": "%s", "record": %s, "time_extracted": "2026"}',
}


def large(value: bytes) -> bytes:
    return b'{"id":"large","time":%d,"external_user_id":"u","x":[%s]}' % (TIME, value)


def message(form: str, text: bytes) -> bytes:
    stream = STREAM.encode()
    parts = (text, stream) if form == "type last" else (stream, text)
    return FORMS[form] % parts + b"\n"


def batch_of(folder, text: bytes) -> bytes:
    file = folder / "batch.jsonl"
    file.write_bytes(text + b"\n")
    values = {"type": "BATCH", "stream": STREAM, "encoding": {"format": "jsonl"}}
    return line({**values, "manifest": [file.as_uri()]})


@pytest.mark.parametrize("maps", [{}, MAPS], ids=["no maps", "maps"])
@pytest.mark.parametrize("way", [*FORMS, "BATCH"])
@pytest.mark.parametrize("value", [MANY, DEEP, LONG], ids=["many", "deep", "long"])
def test_it_lies_in_the_dead_letter_and_the_others_are_delivered(
    mixpanel, tmp_path, value, way, maps
) -> None:
    text = large(value)
    given = batch_of(tmp_path, text) if way == "BATCH" else message(way, text)
    source = SCHEMA + opens(2) + given + opens(1, start=5) + state(9)
    ways = {"stream_maps": maps, "property_set": "all", "dead_letter_path": f"{tmp_path}/dead"}
    result = run(source, mixpanel, tmp_path, **ways)
    assert result.error is None
    assert mixpanel.insert_ids() == {"event-0", "event-1", "event-5"}
    assert result.states == [LAST]
    assert result.account.rejected == {(STREAM, "too large"): 1}
    (dead,) = (tmp_path / "dead").iterdir()
    _, kept = dead.read_bytes().splitlines()
    assert text in kept or text.decode() in json.loads(kept)["record"][UNREAD]


def test_nothing_in_the_record_passes_for_a_part_of_the_message(mixpanel, tmp_path) -> None:
    text = large(b'{"type":"STATE","stream":"other","record":{"type":"STATE"}},' + MANY)
    source = SCHEMA + message("type last", text) + opens(1) + state(9)
    result = run(source, mixpanel, tmp_path, stream_maps=MAPS, dead_letter_path=f"{tmp_path}/dead")
    assert result.error is None
    assert result.account.rejected == {(STREAM, "too large"): 1}


def test_of_a_stream_that_the_maps_leave_out_it_is_skipped(mixpanel, tmp_path) -> None:
    source = SCHEMA + message("as usual", large(MANY)) + state(9)
    result = run(source, mixpanel, tmp_path, stream_maps={STREAM: "__NULL__"})
    assert result.error is None
    assert result.account.skipped == {(STREAM, "filtered by stream_maps"): 1}
    assert result.dead == []


def test_a_line_that_is_whole_counts_without_its_newline(mixpanel, tmp_path) -> None:
    source = SCHEMA + opens(1) + message("as usual", large(MANY)).rstrip()
    result = run(source, mixpanel, tmp_path, stream_maps=MAPS, dead_letter_path=f"{tmp_path}/dead")
    assert result.error is None
    assert result.account.rejected == {(STREAM, "too large"): 1}


def test_a_line_that_is_cut_off_is_no_record(mixpanel, tmp_path) -> None:
    source = SCHEMA + opens(1) + message("as usual", large(MANY))[:-20]
    result = run(source, mixpanel, tmp_path)
    assert isinstance(result.error, InputError)
    assert "middle of a line" in str(result.error)
    assert not result.account.rejected


def test_a_large_text_that_is_no_message_is_reported(mixpanel, tmp_path) -> None:
    result = run(SCHEMA + opens(1) + MANY + b"\n" + state(9), mixpanel, tmp_path)
    assert isinstance(result.error, InputError)
    assert "Line 3 of the input is not a Singer message" in str(result.error)
    assert mixpanel.count == 1
