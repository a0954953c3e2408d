"""One bad record costs itself at most: no stack trace, and the others go on."""

from __future__ import annotations

import gzip
import json

import pytest

from braze_mixpanel.errors import InputError
from tests.target_mixpanel.harness import (
    STREAM,
    TIME,
    line,
    open_record,
    opens,
    record,
    run,
    schema,
    state,
)

CUSTOM = "users_behaviors_customevent"
BRACKETS = b"[" * 3000 + b"]" * 3000
BEFORE = schema() + schema(CUSTOM) + opens(2)
AFTER = opens(1, start=50) + state(9)
LAST = {"bookmarks": {STREAM: 9}}


def raw(text: bytes, stream: str = STREAM) -> bytes:
    return b'{"type":"RECORD","stream":"%s","record":%s}\n' % (stream.encode(), text)


def strange(more: bytes, *, insert_id: bytes = b"strange") -> bytes:
    return b'{"id":"%s","time":%d,"external_user_id":"u",%s}' % (insert_id, TIME, more)


@pytest.mark.parametrize(
    "text",
    [
        b'"platform":"\xff"',
        b'"platform":"\\ud83d"',
        b'"platform":NaN',
        b'"platform":1e400',
        b'"platform":1' + b"0" * 5000,
        b'"platform":-1' + b"0" * 5000,
        b'"nobody_asked":' + BRACKETS,
        b'"properties":"{\\"a\\":1e400}"',
        b'"properties":"{\\"a\\":%s}"' % BRACKETS,
    ],
    ids=lambda text: text[:30],
)
@pytest.mark.parametrize("stream", [STREAM, CUSTOM])
def test_a_record_that_can_be_read_is_imported(mixpanel, tmp_path, text, stream) -> None:
    result = run(BEFORE + raw(strange(text), stream) + AFTER, mixpanel, tmp_path)
    assert result.error is None
    assert mixpanel.insert_ids() == {"event-0", "event-1", "strange", "event-50"}
    assert result.states == [LAST]


@pytest.mark.parametrize(
    "text",
    [
        strange(b'"platform":"\xff"', insert_id=b"not allowed"),
        strange(b'"platform":"\\ud83d"', insert_id=b"not allowed"),
        strange(b'"platform":NaN', insert_id=b"not allowed"),
        strange(b'"platform":%s' % BRACKETS, insert_id=b"not allowed"),
        b'{"id":"a","external_user_id":"u","time":1%s}' % (b"0" * 400),
        b'{"id":"a","external_user_id":"u","time":1%s}' % (b"0" * 5000),
    ],
    ids=lambda text: text[:90],
)
@pytest.mark.parametrize("as_batch", [False, True])
def test_a_record_that_a_rule_refuses_lies_in_the_dead_letter(
    mixpanel, tmp_path, text, as_batch
) -> None:
    source = raw(text)
    if as_batch:
        file = tmp_path / "batch.gz"
        file.write_bytes(gzip.compress(text + b"\n"))
        encoding = {"format": "jsonl", "compression": "gzip"}
        message = {"type": "BATCH", "stream": STREAM, "encoding": encoding}
        source = line({**message, "manifest": [file.as_uri()]})
    result = run(
        BEFORE + source + AFTER,
        mixpanel,
        tmp_path,
        min_event_time="1971-01-01",
        property_set="all",
    )
    assert result.error is None
    assert mixpanel.count == 3
    assert result.states == [LAST]
    assert [dead["record"]["id"] for dead in result.dead] == [text[7 : text.index(b'",')].decode()]


@pytest.mark.parametrize("value", [b"[]", b"{}"])
def test_a_record_of_more_values_than_fit_into_memory_is_rejected(
    mixpanel, tmp_path, value
) -> None:
    text = strange(b'"properties":[' + value + (b"," + value) * 600_000 + b"]")
    source = BEFORE + raw(text, CUSTOM) + AFTER
    result = run(source, mixpanel, tmp_path, dead_letter_path=str(tmp_path / "unread"))
    assert result.error is None
    assert mixpanel.count == 3
    assert result.account.rejected == {(CUSTOM, "too large"): 1}
    (dead,) = (tmp_path / "unread").iterdir()
    assert text in dead.read_bytes()
    assert result.states == [LAST]


def test_a_time_long_before_all_time_is_rejected_and_not_skipped_as_old(mixpanel, tmp_path) -> None:
    old = b'{"id":"a","external_user_id":"u","time":-1%s}' % (b"0" * 400)
    result = run(BEFORE + raw(old) + AFTER, mixpanel, tmp_path)
    assert result.error is None
    assert not result.account.skipped
    assert result.account.rejected == {("Email Open", "no time"): 1}


@pytest.mark.parametrize("levels", [60, 3000])
def test_arrays_nested_beyond_all_measure_in_a_field_that_is_sent_are_refused(
    mixpanel, tmp_path, levels
) -> None:
    text = strange(b'"platform":' + b"[" * levels + b"]" * levels)
    source = BEFORE + raw(text) + AFTER
    result = run(source, mixpanel, tmp_path, property_set="all")
    assert result.error is None
    assert mixpanel.count == 3
    assert [dead["reason"] for dead in result.dead] == ["nested too deep"]


@pytest.mark.parametrize("text", [b"null", b"[1]", b"7", b'{"id":"x",,}', b'{"id":'])
def test_a_line_without_a_record_is_named_after_what_came_before_was_delivered(
    mixpanel, tmp_path, text
) -> None:
    source = schema() + opens(2) + state(1) + opens(1, start=7) + raw(text) + AFTER
    result = run(source, mixpanel, tmp_path)
    assert isinstance(result.error, InputError)
    assert STREAM in str(result.error)
    assert {"event-0", "event-1", "event-7"} <= mixpanel.insert_ids()
    assert result.states == [{"bookmarks": {STREAM: 1}}]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "RECORD", "stream": STREAM},
        {"type": "STATE"},
        {"type": "SCHEMA", "stream": STREAM},
        {"type": "BATCH", "stream": STREAM},
        {"type": "RECORD", "record": {}},
        {"type": "ACTIVATE_VERSION"},
        {"type": "STATE", "value": None},
        {"type": "STATE", "value": [1]},
        {"type": "SCHEMA", "stream": STREAM, "schema": None},
        {"type": "SCHEMA", "stream": STREAM, "schema": {}},
        {"type": "SCHEMA", "stream": STREAM, "schema": {"properties": None}},
        {"type": "SCHEMA", "stream": STREAM, "schema": {"properties": {}}, "key_properties": "id"},
        {"type": "BATCH", "stream": STREAM, "encoding": "jsonl", "manifest": []},
        {"type": "BATCH", "stream": STREAM, "encoding": {"format": "jsonl"}, "manifest": None},
        {"type": "BATCH", "stream": STREAM, "encoding": {"format": "jsonl"}, "manifest": [1]},
        ["RECORD"],
    ],
)
@pytest.mark.parametrize("maps", [{}, {STREAM: {"id": "id", "__else__": None}}])
def test_a_message_that_lacks_a_part_is_reported_in_one_line(
    mixpanel, tmp_path, message, maps
) -> None:
    source = schema() + line(message) + AFTER
    result = run(source, mixpanel, tmp_path, stream_maps=maps)
    assert isinstance(result.error, InputError)
    assert "\n" not in str(result.error)
    assert result.states == []


@pytest.mark.parametrize("text", [b'{"id":,}', b"[1]", b"null"])
@pytest.mark.parametrize("maps", [{}, {STREAM: {"__filter__": "True"}}])
def test_a_line_of_a_batch_file_that_holds_no_record_is_named(
    mixpanel, tmp_path, text, maps
) -> None:
    file = tmp_path / "batch.jsonl"
    good = [json.dumps(open_record(number)).encode() for number in range(3)]
    file.write_bytes(b"\n".join([*good, text]))
    message = {"type": "BATCH", "stream": STREAM, "encoding": {"format": "jsonl"}}
    given = {name: {"type": ["string", "integer"]} for name in open_record(1)}
    source = schema(STREAM, **given) + line({**message, "manifest": [file.as_uri()]}) + state(1)
    result = run(source, mixpanel, tmp_path, stream_maps=maps)
    assert isinstance(result.error, InputError)
    assert mixpanel.count == 3
    assert result.states == []


def test_a_stream_called_record_keeps_to_itself(mixpanel, tmp_path) -> None:
    parts = {"distinct_id": "u", "time": "t", "insert_id": "i"}
    streams = {name: {"event": name, **parts} for name in ("record", "stream", "type")}
    source = b"".join(schema(name, i={"type": "string"}, u={}) for name in streams)
    for number in range(2):
        for name in streams:
            source += record({"i": f"{name}-{number}", "u": "u", "t": TIME}, name)
    for name in streams:
        values = {"i": f"{name}-9", "u": "u", "t": TIME}
        source += line({"stream": name, "record": values, "type": "RECORD"})
    result = run(source, mixpanel, tmp_path, streams=streams)
    assert result.error is None
    assert mixpanel.names() == dict.fromkeys(streams, 3)


def test_blank_lines_of_a_file_with_crlf_are_ignored(mixpanel, tmp_path) -> None:
    source = (schema() + b"\n" + opens(2) + b"\n\n" + state(1) + b"\n").replace(b"\n", b"\r\n")
    result = run(source, mixpanel, tmp_path)
    assert result.error is None
    assert mixpanel.count == 2
    assert result.states == [{"bookmarks": {STREAM: 1}}]
