"""No file ends the process, and none takes more than 512 MB or 5 s, whatever it claims."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import time

import pytest

from tap_braze_currents.formats import limits
from tap_braze_currents.formats.avro_container import read_header
from tap_braze_currents.formats.errors import BrokenFileError, NoEventsFileError
from tap_braze_currents.formats.event_file import EventFile
from tests.tap_braze_currents.formats.hostile_files import NAME, container, integer, read, text

MANY = int(os.environ.get("FUZZ_FILES", "2000"))
ID = {"name": "id", "type": "string"}
TIME = {"name": "time", "type": "int"}
ROW = text(b"a") + integer(1)


def schema(*fields, name=NAME, **more):
    return json.dumps({"type": "record", "name": name, "fields": list(fields), **more}).encode()


def field(kind, name="x"):
    return {"name": name, "type": kind}


PLAIN = schema(ID, TIME)


@pytest.mark.parametrize("kind", ["avro", "json"])
@pytest.mark.parametrize(
    "count", [100, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
def test_changed_files_are_read_or_broken_and_nothing_else(kind, count):
    program = [sys.executable, "-m", "tests.tap_braze_currents.formats.hostile_files", kind]
    done = subprocess.run([*program, "0", str(count)], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    outcomes = json.loads(done.stdout)
    assert outcomes["read"] > count / 20
    assert outcomes["broken"] > count / 20


def deep(levels):
    return b'{"type":"array","items":' * levels + b'"int"' + b"}" * levels


RECURSIVE = {"type": "record", "name": "R", "fields": [field(["null", "R"])]}
WIDE = {"type": "record", "name": "W0", "fields": [field("int", f"f{n}") for n in range(50)]}


def doubling(times):
    """Make a schema whose types hold the one before twice: short, but endless when expanded."""
    fields = [field({"type": "record", "name": "D0", "fields": [field("int")]}, "d0")]
    for n in range(times):
        inner = [field(f"D{n}", "a"), field(f"D{n}", "b")]
        fields.append(field({"type": "record", "name": f"D{n + 1}", "fields": inner}, f"d{n + 1}"))
    return schema(ID, *fields)


@pytest.mark.parametrize(
    ("written", "words"),
    [
        (schema(ID, field(RECURSIVE)), "contains itself"),
        (schema(ID, field({"type": "array", "items": NAME})), "contains itself"),
        (schema(ID, field("?")).replace(b'"?"', deep(1500)), "nested more than"),
        (schema(ID, field("?")).replace(b'"?"', deep(40)), "nested more than"),
        (b"[" * 100_000, "nested more than"),
        (doubling(40), "nested more than|more than 20000 types"),
        (schema(ID, *(field(WIDE if not n else "W0", f"w{n}") for n in range(500))), "20000 types"),
        (schema(), "no fields"),
        (schema(field("null")), "hold nothing"),
        (schema(ID, *(field("null", f"n{n}") for n in range(101))), "too many values"),
        (schema(ID, field({"type": "array", "items": "null"})), "array of values that hold noth"),
        (schema(ID, name=["a"]), "a name is empty or not a string"),
        (schema(field("string", ["x"])), "a name is empty or not a string"),
        (schema(ID, ID), "the same name"),
        (schema(ID, field("nothing.known")), "not defined"),
        (schema(ID, field([])), "a union is empty"),
        (schema(ID, field({"type": "fixed", "name": "f", "size": -1})), "impossible size"),
        (schema(field("int", "x" * 2000)), "longer than 1000"),
        (schema(ID, fields=5), "fields is not a list"),
        (b'{"type":"record","name":"a"}', "'fields' is missing"),
        (b'"string"', "no Avro schema of a record"),
        (b'{"type":["record"],"name":"a","fields":[]}', "no Avro schema of a record"),
        (b"\xff\xfe", "not JSON"),
    ],
)
def test_a_schema_that_is_not_that_of_an_event_is_broken(written, words):
    with pytest.raises(BrokenFileError, match=words):
        read_header(container(written, b"null", [(1, ROW)]))


def test_a_schema_of_many_fields_is_read_in_linear_time():
    many = [field("int", f"f{n}") for n in range(limits.SCHEMA_TYPES - 2)]
    data = container(schema(ID, *many), b"null", [])
    began = time.process_time()
    header = read_header(data)
    assert time.process_time() - began < 5
    assert len(header.fields) == limits.SCHEMA_TYPES - 1


@pytest.mark.parametrize("codec", [b"null", b"deflate"])
@pytest.mark.parametrize("count", [0, 1, 3, 50, 1 << 20, 1 << 40, 1 << 48, 1 << 62, -1])
def test_a_block_holds_as_many_records_as_it_claims_or_is_broken(count, codec):
    data = container(PLAIN, codec, [(count, ROW * 2)])

    with pytest.raises(BrokenFileError, match="block at byte"):
        read(data)


@pytest.mark.parametrize("missing", [1, 2, 500])
def test_records_beyond_the_claim_are_not_lost_in_silence(missing):
    rows = b"".join(text(b"id%d" % n) + integer(n) for n in range(2000))

    with pytest.raises(BrokenFileError, match="cannot be decoded"):
        read(container(PLAIN, b"deflate", [(2000 - missing, rows)]))


def test_a_decoder_that_panics_writes_nothing_but_the_one_error(capfd):
    huge = b"\xfe" + b"\xff" * 8 + b"\x01"  # a text of 2**63 - 1 bytes
    with pytest.raises(BrokenFileError, match="cannot be decoded"):
        read(container(PLAIN, b"null", [(2001, ROW * 1000 + huge + ROW * 1000)]))

    assert capfd.readouterr().err == ""


def test_a_file_claims_no_more_records_than_events_take_bytes():
    data = container(schema(ID), b"deflate", [(9_000_000, bytes(9_000_000))])

    with pytest.raises(BrokenFileError, match="more than a file of"):
        read(data)


BOMB = limits.BLOCK_BYTES + 1


@pytest.mark.parametrize("codec", [b"deflate", b"bzip2", b"xz", b"zstandard"])
def test_a_block_is_decompressed_up_to_a_limit(codec):
    packed = {b"zstandard": zstandard}.get(codec)
    payload = packed(bytes(BOMB)) if packed else bytes(BOMB)
    data = container(PLAIN, codec, [(1, payload)])

    with pytest.raises(BrokenFileError, match="larger than 128 MiB"):
        read(data)


def zstandard(data):
    from tap_braze_currents.formats.rare_codecs import zstd  # noqa: PLC0415 - differs by version

    return zstd.compress(data)


@pytest.mark.parametrize(
    ("codec", "payload", "words"),
    [
        (b"snappy", b"\xff\xff\xff\xff\x0f" + bytes(20), "larger than 128 MiB"),
        (b"snappy", b"\xff\xff\x7f" + bytes(20), "cannot hold"),
        (b"lz4", b"\xff\xff\xff\x7f" + bytes(20), "larger than 128 MiB"),
        (b"lz4", b"\xff\xff\x7f\0" + bytes(20), "cannot hold"),
    ],
)
def test_a_size_that_a_block_cannot_hold_is_not_allocated(codec, payload, words):
    with pytest.raises(BrokenFileError, match=words):
        read(container(PLAIN, codec, [(1, payload)]))


@pytest.mark.parametrize("ending", ["json.gz", "avro"])
def test_a_gzipped_file_is_unzipped_up_to_a_limit(ending):
    data = gzip.compress(b" " * (limits.UNZIPPED_BYTES + 1), 1)

    with pytest.raises(BrokenFileError, match="larger than 256 MiB when unzipped"):
        EventFile(f"x.{ending}", data)


def test_a_header_has_a_limit():
    data = container(PLAIN + b" " * limits.HEADER_BYTES, b"null", [(1, ROW)])

    with pytest.raises(BrokenFileError, match="header is longer than 1024 KiB"):
        read_header(data)


def test_what_is_neither_avro_nor_json_has_no_events():
    with pytest.raises(NoEventsFileError):
        EventFile("data.parquet", b"PAR1")
    with pytest.raises(BrokenFileError, match="begin with `Obj`"):
        EventFile("data.avro", b"PAR1")


def test_a_gzipped_avro_file_is_read():
    data = container(PLAIN, b"null", [(2, ROW * 2)])

    assert read(data) == read(gzip.compress(data)) == 2
