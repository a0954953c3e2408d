"""Makes damaged and hostile files by changing the structure of real ones, from a seed.

Run as a program it reads many of them in this one process, so that a test can watch it:
`python -m tests.tap_braze_currents.formats.hostile_files avro 0 2000`.
"""

from __future__ import annotations

import bz2
import json
import lzma
import random
import resource
import signal
import sys
import time
import zlib
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

from isal import igzip

from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.event_file import EventFile
from tap_braze_currents.formats.fields import json_type_of
from tap_braze_currents.formats.records import Selection

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_SECONDS = 5
MOST_MEGABYTES = 512
SYNC = b"S" * 16
EVENT_TYPE = "users.messages.email.Open"
NAME = f"dataexport.S3.inner.{EVENT_TYPE}"


def integer(value: int) -> bytes:
    """Write any number as Avro does, in range or not."""
    raw, out = (2 * value if value >= 0 else -2 * value - 1), bytearray()
    while raw > 0x7F:
        out.append(raw & 0x7F | 0x80)
        raw >>= 7
    return bytes([*out, raw])


def text(value: bytes) -> bytes:
    return integer(len(value)) + value


def deflate(data: bytes) -> bytes:
    press = zlib.compressobj(6, zlib.DEFLATED, -15)
    return press.compress(data) + press.flush()


COMPRESS = {
    b"null": bytes,
    b"deflate": deflate,
    b"bzip2": bz2.compress,
    b"xz": lzma.compress,
}


@cache
def packed_zeros(codec: bytes, size: int) -> bytes:
    """Compress zero bytes, once for each codec and size: 140 MB take more than half a second."""
    return COMPRESS[codec](bytes(size))


class Zeros(int):
    """A payload of this many zero bytes, which is not held in memory."""


def pack(codec: bytes, payload: bytes | Zeros) -> bytes:
    if isinstance(payload, Zeros):
        return packed_zeros(codec, payload)
    return COMPRESS.get(codec, bytes)(payload)


def container(schema: bytes, codec: bytes, blocks: Sequence[tuple[int, bytes | Zeros]]) -> bytes:
    head = b"Obj\x01" + integer(2) + text(b"avro.schema") + text(schema)
    head += text(b"avro.codec") + text(codec) + integer(0) + SYNC
    bodies = ((count, pack(codec, payload)) for count, payload in blocks)
    return head + b"".join(integer(n) + text(body) + SYNC for n, body in bodies)


# Schemas and values that fit them


class Maker:
    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0

    def name(self) -> str:
        self.names += 1
        return f"n{self.names}"

    def type(self, depth: int = 0) -> Any:  # noqa: PLR0911 - a table of cases
        choose = self.random.choice
        simple = ["string", "int", "long", "float", "double", "boolean", "bytes", "null"]
        logical = [
            {"type": "int", "logicalType": "date"},
            {"type": "int", "logicalType": "time-millis"},
            {"type": "long", "logicalType": choose(["timestamp-millis", "timestamp-micros"])},
            {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
        ]
        kinds = ["simple"] * 5 + ["logical", "union", "union"]
        if depth < 3:
            kinds += ["array", "map", "record", "fixed", "enum"]
        kind = choose(kinds)
        if kind == "simple":
            return choose(simple[:-1])
        if kind == "logical":
            return choose(logical)
        if kind == "union":
            return ["null", choose(simple[:6])]
        if kind == "array":
            return {"type": "array", "items": self.type(depth + 1)}
        if kind == "map":
            return {"type": "map", "values": self.type(depth + 1)}
        if kind == "fixed":
            return {"type": "fixed", "name": self.name(), "size": choose([1, 12, 16])}
        if kind == "enum":
            return {"type": "enum", "name": self.name(), "symbols": ["A", "B"]}
        fields = [{"name": self.name(), "type": self.type(depth + 1)} for _ in range(2)]
        return {"type": "record", "name": self.name(), "fields": fields}

    def schema(self) -> dict[str, Any]:
        fields = [{"name": "id", "type": "string"}, {"name": "time", "type": "int"}]
        more = range(self.random.randrange(6))
        fields += [{"name": self.name(), "type": self.type()} for _ in more]
        return {"type": "record", "name": NAME, "fields": fields}

    def value(self, kind: Any) -> bytes:  # noqa: PLR0911 - a table of cases
        rand = self.random
        if isinstance(kind, list):
            number = rand.randrange(len(kind))
            return integer(number) + self.value(kind[number])
        if isinstance(kind, dict):
            name = kind["type"]
            if name == "array":
                items = [self.value(kind["items"]) for _ in range(rand.randrange(1, 3))]
                return integer(len(items)) + b"".join(items) + integer(0)
            if name == "map":
                return integer(1) + text(b"k") + self.value(kind["values"]) + integer(0)
            if name == "fixed":
                return rand.randbytes(kind["size"])
            if name == "enum":
                return integer(rand.randrange(2))
            if name == "record":
                return b"".join(self.value(field["type"]) for field in kind["fields"])
            kind = name
        if kind in {"string", "bytes"}:
            return text("né"[: rand.randrange(3)].encode() * rand.randrange(9))
        if kind in {"int", "long"}:
            return integer(rand.choice([0, 1, -1, 1790000000, 2**31 - 1]))
        return {"null": b"", "boolean": b"\1", "float": b"\0\0\x80?"}.get(kind, bytes(8))

    # What is wrong with the file

    def broken_schema(self, schema: Any) -> Any:
        """Put something odd in the place of a random part."""
        deep: Any = "int"
        for _ in range(self.random.choice([5, 40, 900])):
            deep = {"type": "array", "items": deep}
        odd = [
            None,
            [],
            {},
            5,
            "",
            "R",
            NAME,
            ["a"],
            "x" * 5000,
            2**70,
            -1,
            deep,
            "null",
            ["null", "null"],
            {"type": "fixed", "name": "f", "size": 2**40},
            {"type": "fixed", "name": "g", "size": 0},
            {"type": "array", "items": "null"},
            {"type": "record", "name": "E", "fields": []},
            {"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]},
            {"type": "enum", "name": "S", "symbols": ["A"] * 50},
            {"type": "bytes", "logicalType": "decimal", "precision": 10**9, "scale": 10**9},
        ]
        places: list[tuple[Any, Any]] = []

        def walk(node: Any) -> None:
            items = node.items() if isinstance(node, dict) else enumerate(node)
            for key, value in items:
                places.append((node, key))
                if isinstance(value, (dict, list)):
                    walk(value)

        walk(schema)
        node, key = self.random.choice(places)
        node[key] = self.random.choice(odd)
        return schema

    def avro(self) -> bytes:
        rand = self.random
        schema = self.schema()
        records = [
            b"".join(self.value(field["type"]) for field in schema["fields"])
            for _ in range(rand.choice([0, 1, 3, 300]))
        ]
        blocks: list[tuple[int, Any]] = [(len(records), b"".join(records))]
        if rand.random() < 0.3:
            blocks.insert(0, (0, b""))
        codec = rand.choice([*COMPRESS, b"null", b"deflate"])
        change = rand.randrange(7)
        if change == 1:
            schema = self.broken_schema(schema)
        if change == 2:
            count = rand.choice([0, 2**20, 2**40, 2**48, 2**62, -1, len(records) + 1])
            blocks[-1] = (count, blocks[-1][1])
        if change == 3:  # numbers that are too large, and zeros without end
            body = bytearray(blocks[-1][1] or b"\0")
            at = rand.randrange(len(body))
            odd = [b"\xff" * 9 + b"\1", b"\xfe" * 5, integer(2**40), bytes(rand.choice([9, 10**6]))]
            body[at : at + rand.randrange(3)] = rand.choice(odd)
            blocks[-1] = (blocks[-1][0], bytes(body))
        if change == 4:
            codec = rand.choice([b"snappy", b"zstandard", b"lz4", b"brotli", b""])
        if change == 5:  # a small block that becomes a large one
            size = rand.choice([10**6, 140 << 20])
            blocks.append((rand.choice([1, size // 2]), Zeros(size)))
            codec = rand.choice([b"deflate", b"bzip2"]) if size > 10**6 else b"deflate"
            if size > 10**6 and rand.random() < 0.8:
                blocks.pop()
        data = bytearray(container(json.dumps(schema).encode(), codec, blocks))
        if change == 6:
            return self.scratched(bytes(data))
        return bytes(data)

    def scratched(self, data: bytes) -> bytes:
        """Change, cut or repeat some bytes."""
        out, rand = bytearray(data), self.random
        for _ in range(rand.randrange(1, 4)):
            at = rand.randrange(len(out) + 1)
            how = rand.randrange(4)
            if how == 0:
                out[at : at + 1] = rand.randbytes(1)
            elif how == 1:
                del out[at : at + rand.randrange(1, 40)]
            elif how == 2:
                out[at:at] = out[at : at + rand.randrange(40)] * rand.randrange(9)
            else:
                out[at:at] = rand.choice([b"\xff" * 20, b"\0" * 20, b'"', b"\\", b"[", b"{", b"\n"])
        return bytes(out)

    def json(self) -> bytes:
        rand = self.random
        odd: list[Any] = [1, 1e308, 'é\\"', None, [], {"a": [1]}, "x" * 1000, True, 10**30]
        events = [
            {
                "event_type": EVENT_TYPE if rand.random() < 0.99 else 5,
                "id": str(number),
                "time": rand.choice([5, "2026-11-01"]),
                "user": rand.choice([{"user_id": "u"}, None] * 50 + [3]),
                "properties": {"custom_properties": rand.choice(odd), "x": rand.choice(odd)},
            }
            for number in range(rand.choice([0, 1, 5, 50]))
        ]
        whole = rand.randrange(4)
        if whole == 0:
            data = json.dumps({"events": events}).encode()
        elif whole == 1:
            data = json.dumps(events, indent=rand.choice([None, 1])).encode()
        else:
            between = rand.choice(["\n", "", "\r\n\n"])
            data = between.join(map(json.dumps, events)).encode()
        if rand.random() < 0.7:
            data = self.scratched(data)
        if rand.random() < 0.2:
            data += rand.choice(
                [b"[" * 10**5, b'{"a":"' + b'\\"' * 10**5, b"9" * 10**5, b'["' * 10**5]
            )
        if rand.random() < 0.1:
            data = data.decode("utf-8", "replace").encode(rand.choice(["utf-16", "utf-8-sig"]))
        if rand.random() < 0.3:
            data = igzip.compress(data + rand.choice([b"", b" " * 10**7]), 1)
            data = rand.choice([data, data * 2, self.scratched(data), data + b"\0\0"])
        return data


def read(data: bytes, *, name: str = "x") -> int:
    """Read a file as a run with all its fields would; return the number of records."""
    file = EventFile(name, data)
    count = 0
    for event_type, fields in file.fields().items():
        selection = Selection({field.name: json_type_of(field.type) for field in fields}, ["more"])
        for rows in file.rows(event_type, selection, lambda fields: None):
            assert rows.ndjson.count(b"\n") == rows.records
            count += rows.records
    return count


def main(kind: str, first: int, count: int) -> None:
    """Read many files; end with an error that names the seed if one does harm."""
    outcomes: Counter[str] = Counter()
    for seed in range(first, first + count):
        sys.stderr.write(f"seed {seed}\n")  # the last line says which one ended the process
        sys.stderr.flush()
        data = getattr(Maker(seed), kind)()
        signal.alarm(MOST_SECONDS + 1)
        began = time.process_time()
        try:
            outcomes["read" if read(data) else "empty"] += 1
        except BrokenFileError:
            outcomes["broken"] += 1
        signal.alarm(0)
        seconds = time.process_time() - began
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss >> 10
        if seconds > MOST_SECONDS or megabytes > MOST_MEGABYTES:
            raise SystemExit(f"{kind} {seed} took {seconds:.1f} s and {megabytes} MB")
    sys.stdout.write(json.dumps({**outcomes, "megabytes": megabytes}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
