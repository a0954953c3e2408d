"""Every event type and version decodes to the same records as a plain reader gives."""

from __future__ import annotations

import io
import json
import struct
from datetime import date, datetime, time, timezone
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tap_braze_currents.catalog.event_types import registry
from tap_braze_currents.formats import avro_decoding as decoding
from tap_braze_currents.formats.avro_container import read_header
from tap_braze_currents.formats.avro_decoding import AvroFile
from tap_braze_currents.formats.avro_values import shortest_float
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.fields import json_type_of
from tap_braze_currents.formats.records import Selection
from tests.currents_generator import (
    ALL_FIELDS,
    CURRENT,
    OLDER,
    event_types,
    fields_of,
    full_record,
    records,
)
from tests.currents_generator import avro_schema as generated_schema
from tests.tap_braze_currents.formats.hostile_files import Maker, container, integer, text

VERSIONS = (CURRENT, ALL_FIELDS, *OLDER)


def avro_file(schema: dict[str, Any], rows: list[dict[str, Any]], codec: str = "deflate") -> bytes:
    out = io.BytesIO()
    fastavro.writer(out, fastavro.parse_schema(schema), rows, codec=codec)
    return out.getvalue()


def schema_of(**fields: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "users.Test",
        "fields": [{"name": name, "type": type_} for name, type_ in fields.items()],
    }


def decode(data: bytes, **types: str) -> list[dict[str, Any]]:
    file = AvroFile(data)
    selection = Selection(types or {f.name: json_type_of(f.type) for f in file.header.fields})
    return [json.loads(line) for rows in file.rows(selection) for line in rows.ndjson.splitlines()]


def as_plain_reader_says(data: bytes) -> list[dict[str, Any]]:
    reader = fastavro.reader(io.BytesIO(data))
    floats = {f.name for f in read_header(data).fields if f.type == "float"}
    return [
        {
            name: shortest_float(value) if name in floats and value is not None else value
            for name, value in record.items()
        }
        for record in reader
    ]


@pytest.mark.parametrize("version", VERSIONS, ids=lambda version: version.name)
def test_all_event_types_decode_as_a_plain_reader_decodes_them(version):
    for event_type in event_types():
        rows = [full_record(event_type, version=version), *records(event_type, 5, version=version)]
        data = avro_file(generated_schema(event_type, version), rows)

        assert read_header(data).event_type == event_type
        assert decode(data) == as_plain_reader_says(data)


def test_the_registry_has_every_field_with_its_json_type():
    assert len(registry()) == 108
    for event_type in event_types():
        known = {field.name: field for field in registry()[event_type].fields}
        for fact in fields_of(event_type, ALL_FIELDS):
            assert known[fact.name].type == fact.type


@pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_codecs(codec):
    data = avro_file(schema_of(id="string"), [{"id": "a"}, {"id": "b"}], codec)

    assert decode(data) == [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize("codec", ["deflate", "snappy", "zstandard", "bzip2", "xz"])
def test_a_damaged_block_is_broken_whatever_the_codec(codec):
    data = bytearray(avro_file(schema_of(id="string"), [{"id": "a" * 500}], codec))
    position = read_header(bytes(data)).end
    data[position + 3 : position + 13] = b"\xff" * 10

    with pytest.raises(BrokenFileError, match=r"block at byte|cannot be read"):
        decode(bytes(data))


def test_an_unknown_codec_is_named():
    data = avro_file(schema_of(id="string"), [{"id": "a"}], "null").replace(
        b"\x08null", b"\x08lzma"
    )

    with pytest.raises(BrokenFileError, match="codec lzma"):
        decode(data)


TEXTS = st.text() | st.sampled_from(["", "\x00\x1f\x7f", '"\\/', "\u2028é😀", "\n\t\b\f\r"])
FLOATS_WRITTEN_IN_MANY_WAYS = [1e-44, 6.23273e-6, 1e-4, 9e12, 1e13, -2.6575234e14, 1e16]
VALUES = st.fixed_dictionaries(
    {
        "s": TEXTS,
        "s_or_null": st.none() | TEXTS,
        "null_last": st.none() | TEXTS,
        "i": st.integers(-(2**31), 2**31 - 1),
        "l": st.none() | st.integers(-(2**63), 2**63 - 1),
        "f": st.none() | st.floats(width=32) | st.sampled_from(FLOATS_WRITTEN_IN_MANY_WAYS),
        "d": st.none() | st.floats(),
        "b": st.none() | st.booleans(),
        "a": st.none() | st.lists(TEXTS, max_size=3),
        "n": st.none() | st.lists(st.none() | TEXTS, max_size=3),
        "ad": st.none() | st.lists(st.floats(), max_size=3),
        "al": st.none() | st.lists(st.integers(-(2**63), 2**63 - 1), max_size=3),
    }
)
SCHEMA = schema_of(
    s={"type": "string", "connect.doc": "wrapped"},
    s_or_null=["null", "string"],
    null_last=["string", "null"],
    i="int",
    l=["null", "long"],
    f=["float", "null"],
    d=["null", "double"],
    b=["null", "boolean"],
    a=["null", {"type": "array", "items": "string"}],
    n=[{"type": "array", "items": ["null", "string"]}, "null"],
    ad=["null", {"type": "array", "items": "double"}],
    al=["null", {"type": "array", "items": "long"}],
)


def lines(data: bytes) -> bytes:
    file = AvroFile(data)
    selection = Selection({f.name: json_type_of(f.type) for f in file.header.fields}, ["missing"])
    return b"".join(rows.ndjson for rows in file.rows(selection))


def in_all_ways(data: bytes) -> set[bytes]:
    found = set()
    for few, most in ((0, 2**60), (2**60, 2**60), (0, 0)):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(decoding, "FEW_VALUES", few)
            patch.setattr(decoding, "TEXT_BYTES", most)
            patch.setattr(decoding, "RECORDS_AT_A_TIME", 3)
            found.add(lines(data))
    return found


@given(st.lists(VALUES, min_size=1, max_size=5))
def test_any_values_give_the_same_bytes_in_every_way_of_decoding(rows):
    assert len(in_all_ways(avro_file(SCHEMA, rows))) == 1


@example(8977)
@given(st.integers(0, 2**32))
def test_any_schema_gives_the_same_bytes_in_every_way_of_decoding(seed):
    maker = Maker(seed)
    schema = maker.schema()
    rows = [
        b"".join(maker.value(field["type"]) for field in schema["fields"])
        for _ in range(maker.random.randrange(1, 9))
    ]
    data = container(json.dumps(schema).encode(), b"null", [(len(rows), b"".join(rows))])

    (ndjson,) = in_all_ways(data)
    assert ndjson.count(b"\n") == len(rows)


def test_columns_are_used_where_they_can_be(monkeypatch):
    monkeypatch.setattr(decoding, "FEW_VALUES", 0)
    monkeypatch.setattr(decoding._Decoder, "_in_one_call", None)
    rows = [full_record("users.messages.email.Open", version=CURRENT)] * 50

    data = avro_file(generated_schema("users.messages.email.Open", CURRENT), rows)

    assert len(decode(data)) == 50


@pytest.mark.parametrize("records", [[], [{"id": "a"}]])
@pytest.mark.parametrize("codec", ["null", "deflate", "zstandard", "snappy", "bzip2", "xz"])
def test_empty_blocks_cost_nothing(codec, records):
    data = avro_file(schema_of(id="string"), records, codec)
    header = read_header(data)
    empty = avro_file(schema_of(id="string"), [], codec)
    assert len(empty) == read_header(empty).end
    block = b"\0\0" + header.sync

    whole = data[: header.end] + block + data[header.end :] + block

    assert decode(whole) == records


def test_many_small_blocks_are_read_in_groups():
    out = io.BytesIO()
    schema = fastavro.parse_schema(schema_of(id="string"))
    fastavro.writer(out, schema, [{"id": str(n)} for n in range(5000)], sync_interval=1)

    assert [record["id"] for record in decode(out.getvalue())] == [str(n) for n in range(5000)]


def logical(kind: str, logical_type: str, /, **more: Any) -> dict[str, Any]:
    return {"type": kind, "logicalType": logical_type, **more}


DECIMAL = logical("bytes", "decimal", precision=38, scale=2)
WHOLE = logical("bytes", "decimal", precision=38, scale=0)
MOMENT = datetime(2025, 11, 1, 12, 26, 40, 500_000, tzinfo=timezone.utc)
FIXED = {"type": "fixed", "name": "f", "size": 4}
UUID_TEXT = "8f14e45f-ceea-467f-9b21-a5a8b8a1b2c3"


@pytest.mark.parametrize(
    ("kind", "value", "wanted", "plain"),
    [
        (DECIMAL, Decimal("12.50"), "number", 12.5),
        (DECIMAL, Decimal("-0.07"), "number", -0.07),
        (DECIMAL, Decimal("12.00"), "integer", 12),
        (DECIMAL, Decimal("12.50"), "integer", 12.5),
        (DECIMAL, Decimal("12.50"), "string", "12.50"),
        (DECIMAL, Decimal("123456789012345678901234.56"), "number", "123456789012345678901234.56"),
        (WHOLE, Decimal(9007199254740993), "number", 9007199254740993),
        (WHOLE, Decimal(10**30), "integer", str(10**30)),
        ("bytes", "Zürich".encode(), "string", "Zürich"),
        ("bytes", b"\xff\x00", "string", "/wA="),
        (FIXED, b"abcd", "string", "abcd"),
        (logical("int", "date"), date(2025, 11, 1), "string", "2025-11-01"),
        (logical("int", "date"), date(2025, 11, 1), "integer", 1761955200),
        (logical("int", "time-millis"), time(12, 26, 40, 5000), "string", "12:26:40.005"),
        (logical("long", "time-micros"), time(12, 26, 40), "string", "12:26:40"),
        (logical("long", "timestamp-millis"), MOMENT, "string", "2025-11-01T12:26:40.5Z"),
        (logical("long", "timestamp-micros"), MOMENT, "", "2025-11-01T12:26:40.5Z"),
        (logical("long", "timestamp-micros"), MOMENT, "integer", 1762000000.5),
        (logical("long", "local-timestamp-millis"), 1762000000000, "string", "2025-11-01T12:26:40"),
        (logical("long", "timestamp-nanos"), 1762000000000000000, "integer", 1762000000),
        (logical("long", "timestamp-millis"), 2**62, "string", 2**62),
        (logical("string", "uuid"), UUID(UUID_TEXT), "string", UUID_TEXT),
        (logical("fixed", "uuid", name="u", size=16), UUID(UUID_TEXT).bytes, "string", UUID_TEXT),
        (
            logical("fixed", "duration", name="d", size=12),
            struct.pack("<III", 1, 2, 3004),
            "string",
            "P1M2DT3.004S",
        ),
        ({"type": "enum", "name": "e", "symbols": ["A", "B"]}, "B", "string", "B"),
        (logical("string", "unheard-of"), "x", "string", "x"),
        ({"type": "array", "items": DECIMAL}, [Decimal("1.50")], "array", [1.5]),
        ({"type": "map", "values": "bytes"}, {"a": b"x"}, "string", '{"a":"x"}'),
    ],
)
@pytest.mark.parametrize("nullable", [False, True])
def test_logical_and_binary_types_give_the_plain_value_that_a_user_expects(
    kind, value, wanted, plain, nullable
):
    union = ["null", kind] if nullable else kind
    rows = [{"id": "1", "x": value}, *([{"id": "2", "x": None}] if nullable else [])]

    found = decode(avro_file(schema_of(id="string", x=union), rows), x=wanted)

    assert found[0] == {"x": plain}
    assert type(found[0]["x"]) is type(plain)
    assert found[1:] == [{"x": None}] * nullable


@pytest.mark.parametrize(
    ("unit", "value"), [("millis", 1762000000000), ("micros", 1762000000000000)]
)
def test_time_is_in_seconds_and_time_ms_in_milliseconds_as_braze_has_them(unit, value):
    moment = logical("long", f"timestamp-{unit}")
    data = avro_file(schema_of(time=moment, time_ms=moment), [{"time": value, "time_ms": value}])

    record = decode(data, time="integer", time_ms="integer")

    assert record == [{"time": 1762000000, "time_ms": 1762000000000}]


def test_a_union_of_logical_types_knows_which_of_them_a_value_has():
    kinds = ["null", logical("int", "date"), logical("long", "timestamp-millis"), "bytes"]
    schema = json.dumps(schema_of(x=kinds)).encode()
    values = [
        integer(1) + integer(1),
        integer(2) + integer(1),
        integer(0),
        integer(3) + text(b"\xe9"),
    ]
    data = container(schema, b"null", [(4, b"".join(values))])

    texts = [record["x"] for record in decode(data, x="string")]

    assert texts == ["1970-01-02", "1970-01-01T00:00:00.001Z", None, "6Q=="]


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_the_shortest_decimal_is_the_same_32_bit_number(value):
    shortest = shortest_float(value)

    assert struct.pack("f", shortest) == struct.pack("f", value)
    assert len(repr(shortest)) <= len(repr(value))


def test_a_price_has_the_decimals_it_was_written_with():
    data = avro_file(schema_of(price=["null", "float"]), [{"price": 3.14}, {"price": 0.1}])

    assert AvroFile(data).header.fields[0].type == "float"
    assert b"".join(r.ndjson for r in AvroFile(data).rows(Selection({"price": "number"}))) == (
        b'{"price":3.14}\n{"price":0.1}\n'
    )


def test_text_that_is_no_utf8_has_its_broken_characters_replaced():
    data = avro_file(schema_of(id="string"), [{"id": "abcd"}], "null").replace(
        b"abcd", b"a\xff\xfed"
    )

    assert decode(data) == [{"id": "a\ufffd\ufffdd"}]


def test_changed_types_are_converted_where_nothing_is_lost():
    schema = schema_of(a="int", b="double", c="boolean", d={"type": "array", "items": "string"})
    data = avro_file(schema, [{"a": 1, "b": 2.0, "c": True, "d": ["x"]}])

    record = decode(data, a="number", b="integer", c="string", d="string")

    assert record == [{"a": 1, "b": 2, "c": "true", "d": '["x"]'}]


def test_values_that_do_not_fit_are_left_as_they_are():
    data = avro_file(schema_of(a="double", b="string"), [{"a": 2.5, "b": "x"}])

    assert decode(data, a="integer", b="integer") == [{"a": 2.5, "b": "x"}]


def test_a_union_of_several_types_keeps_its_values_where_no_text_is_wanted():
    nested = {"type": "map", "values": "int"}
    rows = [{"a": 5}, {"a": None}, {"a": 2.0}, {"a": "x"}, {"a": {"b": 1}}]
    data = avro_file(schema_of(a=["null", "int", "double", "string", nested]), rows)

    values = [5, None, 2, "x", '{"b":1}']
    assert [record["a"] for record in decode(data, a="integer")] == values
    texts = ["5", None, "2.0", "x", '{"b":1}']
    assert [record["a"] for record in decode(data, a="string")] == texts


def test_nested_types_become_json_text():
    nested = {"type": "record", "name": "inner", "fields": [{"name": "x", "type": "int"}]}
    choice = {"type": "enum", "name": "choice", "symbols": ["A", "B"]}
    data = avro_file(
        schema_of(id="string", n=nested, e=choice, m=["null", "string", "int"]),
        [{"id": "1", "n": {"x": 1}, "e": "B", "m": 7}],
    )

    assert decode(data) == [{"id": "1", "n": '{"x":1}', "e": "B", "m": "7"}]


@pytest.mark.parametrize("cut", range(0, 200, 7))
def test_a_file_cut_off_anywhere_is_broken_and_gives_no_record(cut):
    data = avro_file(schema_of(id="string"), [{"id": str(n)} for n in range(50)], "null")

    with pytest.raises(BrokenFileError):
        decode(data[: len(data) - 200 + cut])


def test_damaged_blocks_are_named_by_their_position():
    data = avro_file(schema_of(id="string"), [{"id": str(n)} for n in range(50)])
    position = read_header(data).end
    damaged = data[: position + 10] + b"\xff" * 20 + data[position + 30 :]

    with pytest.raises(BrokenFileError, match=f"byte {position}"):
        decode(damaged)
