"""Landed JSON: every form it comes in, what strict JSON forbids, and what is really broken."""

from __future__ import annotations

import gzip
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tap_braze_currents.formats import json_events as http_landing
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.event_file import EventFile
from tap_braze_currents.formats.fields import Field
from tap_braze_currents.formats.json_events import JsonFile, event_types
from tap_braze_currents.formats.records import Selection
from tests.tap_braze_currents.conftest import tap_of

OPEN = "users.messages.email.Open"
CUSTOM = "users.behaviors.CustomEvent"
NEW = "users.messages.telepathy.Send"
TYPES = {"id": "string", "time": "integer", "user_id": "string", "subject": "string"}

WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")


def event(number, event_type=OPEN, **properties):
    return {
        "event_type": event_type,
        "id": str(number),
        "time": 5,
        "user": {"user_id": "u"},
        "properties": properties,
    }


def text_of(number, subject):
    """An event with a subject that is given as JSON text, however broken."""
    return json.dumps(event(number, subject="@")).encode().replace(b'"@"', subject)


def read(content, event_type=OPEN, **types):
    file = JsonFile(content, event_type)
    rows = file.rows(Selection(types or TYPES), lambda fields: None)
    return [json.loads(line) for some in rows for line in some.ndjson.splitlines()]


def ids(content):
    assert event_types(content) == [OPEN]
    return [record["id"] for record in read(content)]


ONE, TWO, THREE = (json.dumps(event(number)) for number in (1, 2, 3))
BODY = json.dumps({"events": [event(1), event(2)]})


@pytest.mark.parametrize(
    "text",
    [
        pytest.param(BODY + THREE, id="a body and an event with nothing between them"),
        pytest.param(ONE + TWO + "\n" + THREE, id="two in a line, one in the next"),
        pytest.param(ONE + " " + TWO + "\r\n\r\n" + THREE + "\r\n", id="spaces and empty lines"),
        pytest.param(
            json.dumps({"events": [event(1), event(2)]}, indent=2)
            + "\n"
            + json.dumps({"events": [event(3)]}, indent=2),
            id="pretty-printed bodies one after the other",
        ),
        pytest.param(
            "\n".join((ONE, json.dumps(event(2), indent=1), THREE)), id="lines, and one that is not"
        ),
        pytest.param(
            f'{{"events": null}}\n{{"events": []}}\n[{ONE},{TWO}]\n{THREE}', id="no events"
        ),
        pytest.param(f"\ufeff{ONE}\n{TWO}\n{THREE}", id="a byte order mark"),
    ],
)
def test_values_are_found_however_they_follow_one_another(text):
    assert ids(text.encode()) == ["1", "2", "3"]
    assert ids(gzip.compress(text.encode())) == ["1", "2", "3"]


@pytest.mark.parametrize(
    "encoding", ["utf-8", *(f"utf-{n}-{end}e" for n in (16, 32) for end in "lb")]
)
@pytest.mark.parametrize("marks", ["", "\ufeff", "\ufeff\ufeff", "\ufeff \n\ufeff", " \ufeff"])
@pytest.mark.parametrize("name", ["a.json", "a"])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_encoding_of_json_is_read_with_marks_and_without(encoding, marks, name, pack):
    content = pack(f"{marks}{ONE}\n{marks}{TWO}\n{THREE}".encode(encoding))
    file = EventFile(name, content)
    rows = file.rows(OPEN, Selection(TYPES), lambda fields: None)
    lines = [line for some in rows for line in some.ndjson.splitlines()]
    assert [json.loads(line)["id"] for line in lines] == ["1", "2", "3"]


@pytest.mark.parametrize("encoding", WIDE)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_text_of_a_wide_encoding_that_ends_amid_a_character_is_named_by_its_place(encoding, mark):
    with pytest.raises(BrokenFileError, match=r"line 2 \(at byte"):
        EventFile("a.json", f"{mark}{ONE}\n{TWO}".encode(encoding)[:-1]).event_types()


@pytest.mark.parametrize(
    ("subject", "is_read_as"),
    [
        pytest.param(b'"a\xffb"', "a\ufffdb", id="a byte that is no UTF-8"),
        pytest.param(rb'"a\ud83db"', "a\ufffdb", id="half a surrogate pair"),
        pytest.param(rb'"a\ud83d\ude00b"', "a😀b", id="a whole one"),
        pytest.param(b'"a\nb\x01"', "a\nb\x01", id="control characters"),
        pytest.param(b"NaN", None, id="NaN"),
        pytest.param(b"-Infinity", None, id="infinity"),
        pytest.param(b"1e400", None, id="a number beyond all"),
        pytest.param(b"1" * 30, "1" * 30, id="an integer beyond 64 bits"),
    ],
)
@pytest.mark.parametrize("form", [b"%b\n%b\n%b", b"%b%b%b", b'{"events":[%b,%b,%b]}'])
def test_what_strict_json_forbids_costs_a_value_and_not_the_file(subject, is_read_as, form):
    content = form % (ONE.encode(), text_of(2, subject), THREE.encode())

    assert ids(content) == ["1", "2", "3"]
    assert read(content)[1]["subject"] == is_read_as


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"events": [', r"line 1 \(at byte 0\) is not JSON"),
        (f'{ONE}\n{{"event'.encode(), rf"line 2 \(at byte {len(ONE) + 1}\) is not JSON"),
        (f"{ONE}{TWO} x".encode(), rf"line 1 \(at byte {len(ONE + TWO) + 1}\) is not JSON"),
        (b'{"hello": 1}', "event 1 in line 1 .* is not a Currents event .*`event_type`"),
        (f'{ONE}\n{{"event_type": "a"}}'.encode(), "event 1 in line 2 .*`id`"),
        (f'[{ONE},{{"event_type": "a"}}]'.encode(), "event 2 in line 1 .*`id`"),
        (b'{"event_type": "a", "id": "1", "user": 5}', r"\$.user"),
        (b'{"events": 5}', "not a Currents event"),
        (b"[5]", "not a Currents event"),
        (b"5\n6", "not a Currents event"),
        (ONE.encode() + b"\n" + b"[" * 100_000, "line 2 .* nested too deeply"),
        (text_of(1, b"[" * 100_000 + b"]" * 100_000), "line 1 .* nested too deeply"),
        (b"\x1f\x8b\x08 not gzip", "unzipped"),
    ],
)
def test_what_is_really_broken_is_told_with_its_place(content, words):
    with pytest.raises(BrokenFileError, match=words):
        event_types(content)


def test_a_number_of_thousands_of_digits_is_null():
    assert read(f"{TWO}\n".encode() + text_of(1, b"9" * 5000))[1]["subject"] is None


def test_an_empty_file_holds_no_events():
    assert event_types(b"") == event_types(b"\n \n") == []


def test_custom_properties_are_left_as_they_were_written():
    text = '{"n": 10000000000000000.5,\n  "e": 1.50E2, "big": 1e400, "name": "caf\u00e9 \\u00e9"}'
    content = text_of(1, text.encode()).replace(b'"subject"', b'"custom_properties"')

    assert read(content, properties="string") == [
        {"properties": text.replace(": ", ":").replace(", ", ",").replace(",\n  ", ",")}
    ]


@pytest.mark.parametrize(
    ("value", "text"), [(None, None), ("{}", "{}"), ({}, "{}"), ([1, "a"], '[1,"a"]')]
)
def test_custom_properties_may_be_missing_or_text(value, text):
    content = json.dumps(event(1, custom_properties=value)).encode()

    assert read(content, properties="string") == [{"properties": text}]


def test_types_and_fields_are_found_in_all_events():
    events = [
        event(1, NEW, price=1, tags=["a"], gone=None, mixed=1, nested={"a": 1}),
        event(2, NEW, price=1.5, mixed="x", more=True),
        event(3),
    ]

    found = http_landing.fields("\n".join(map(json.dumps, events)).encode())

    assert found[OPEN] == (Field("id", "string"), Field("time", "long"), Field("user_id", "string"))
    assert found[NEW] == (
        *found[OPEN],
        Field("price", "double"),
        Field("tags", "array<string>"),
        Field("mixed", "other"),
        Field("nested", "other"),
        Field("more", "boolean"),
    )


def test_discovery_finds_new_types_and_new_fields_in_landed_json(tmp_path, run_tap, caplog):
    events = [event(1, NEW, foo="bar"), event(2, brand_new=["v"])]
    (tmp_path / "landed.json").write_text(json.dumps({"events": events}))

    output = run_tap(tmp_path, tap_class=tap_of(OPEN, NEW))

    assert output.records["users_messages_telepathy_send"] == [
        {"id": "1", "time": 5, "user_id": "u", "foo": "bar"}
    ]
    assert output.records["users_messages_email_open"][0]["brand_new"] == ["v"]
    assert "not in the catalog" not in caplog.text


def test_telling_the_types_takes_little_more_memory_than_the_file():
    content = "\n".join(
        json.dumps({"events": [event(number, a="x" * 50, b="y" * 50) for number in range(100)]})
        for _ in range(300)
    ).encode()
    whole = json.dumps(
        {"events": [event(number, a="x" * 100) for number in range(20_000)]}
    ).encode()
    for data, most in ((content, 0.6), (whole, 0.6), (content.replace(b"\n", b""), 1.2)):
        tracemalloc.start()
        event_types(data)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()

        assert peak < most * len(data)


FORMS = [BODY + THREE, f"{ONE}\n{TWO}\n", json.dumps([event(1, custom_properties={"a": "é"})])]


@given(
    st.sampled_from(FORMS),
    st.lists(st.tuples(st.integers(0, 500), st.binary(max_size=3) | st.sampled_from([b"NaN"]))),
)
def test_damage_anywhere_is_either_told_or_read_over(text, damage):
    content = bytearray(text.encode())
    for position, piece in damage:
        content[position : position + len(piece)] = piece

    try:
        for event_type in event_types(content):
            read(content, event_type)
        http_landing.fields(content)
    except BrokenFileError as error:
        assert "byte" in str(error) or "unzipped" in str(error)  # noqa: PT017


@pytest.mark.parametrize(
    ("written", "text"),
    [("12345", "12345"), ("12345.0", "12345"), ("1.2345e4", "12345"), ("1.5", "1.5")],
)
def test_a_number_in_place_of_a_text_has_one_spelling(written, text):
    content = json.dumps(event(1)).replace('"user_id": "u"', f'"user_id": {written}').encode()
    assert [record["user_id"] for record in read(content)] == [text]
