"""Avro containers as Currents writes them: header, blocks, schema → fields.

Only the container is read here; `decoding` turns the blocks into records.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, NamedTuple

from isal import isal_zlib

from braze_mixpanel.errors import InputError
from tap_braze_currents.catalog.event_types import JSON_TYPES, Field, event_type_of_record

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
_RAW_DEFLATE = -15
_LONGEST_VARINT = 10


class BrokenFileError(InputError):
    """A file that cannot be read to its end; says at which byte, where that is known."""


class Truncated(BrokenFileError):  # noqa: N818 - the name says what is wrong
    """The bytes end too early: more of them may mend it."""


class Block(NamedTuple):
    """One block of a container, still compressed."""

    offset: int
    """Byte position in the file."""
    records: int
    payload: memoryview


@dataclass(frozen=True)
class Header:
    """What the beginning of a container says about the rest."""

    event_type: str
    fields: tuple[Field, ...]
    schema: dict[str, Any]
    """The Avro schema, with wrapped and logical types laid bare."""
    codec: str
    sync: bytes
    end: int
    """Byte position of the first block."""


def read_header(data: bytes | memoryview) -> Header:
    """Read the header of a container; `data` may end after it.

    Raises:
        Truncated: The header goes on beyond `data`.
        BrokenFileError: This is no Avro container, or its schema is not that of an event.
    """
    if not data:
        raise BrokenFileError("it is empty")
    if data[: len(MAGIC)] != MAGIC:
        raise BrokenFileError("this is no Avro file (it does not begin with `Obj`)")
    cursor = _Cursor(memoryview(data), len(MAGIC))
    metadata: dict[str, bytes] = {}
    while count := cursor.integer():
        if count < 0:  # then the size of this part of the map follows, for skipping
            cursor.integer()
        for _ in range(abs(count)):
            key = bytes(cursor.take(cursor.integer())).decode("utf-8", "replace")
            metadata[key] = bytes(cursor.take(cursor.integer()))
    sync = bytes(cursor.take(SYNC_BYTES))
    try:
        schema = json.loads(metadata["avro.schema"])
        name = schema["name"]
        if "." not in name and schema.get("namespace"):
            name = f"{schema['namespace']}.{name}"
        plain = [_plain_field(field) for field in schema["fields"]]
    except (KeyError, ValueError, TypeError) as error:
        raise BrokenFileError("its header holds no Avro schema of a record") from error
    return Header(
        event_type=event_type_of_record(name),
        fields=tuple(field for field, _ in plain),
        schema={"type": "record", "name": name, "fields": [raw for _, raw in plain]},
        codec=metadata.get("avro.codec", b"null").decode("utf-8", "replace"),
        sync=sync,
        end=cursor.position,
    )


def read_blocks(data: bytes | memoryview, header: Header) -> list[Block]:
    """Walk through all blocks without decompressing one.

    So a file that was cut off is found out before any of its records is out.

    Raises:
        Truncated: The file ends inside a block.
        BrokenFileError: A block does not end with the file's sync marker.
    """
    cursor = _Cursor(memoryview(data), header.end)
    blocks = []
    while cursor.position < len(data):
        offset = cursor.position
        count, size = cursor.integer(), cursor.integer()
        if count < 0 or size < 0:
            raise BrokenFileError(f"the block at byte {offset} has an impossible size")
        blocks.append(Block(offset, count, cursor.take(size)))
        if cursor.take(SYNC_BYTES) != header.sync:
            raise BrokenFileError(f"the block at byte {offset} does not end where it should")
    return blocks


def decompressor(codec: str) -> Callable[[memoryview], bytes]:
    """Return what decompresses a block's payload.

    Raises:
        BrokenFileError: The codec is unknown, or its library is not installed.
    """
    if codec == "null":
        return bytes
    if codec == "deflate":
        return _inflate
    return _library_decompressor(codec)


def _inflate(payload: memoryview) -> bytes:
    try:
        data: bytes = isal_zlib.decompress(payload, _RAW_DEFLATE)
    except Exception as error:  # isal's own class cannot be named in a typed `except`
        raise ValueError(f"deflate: {error}") from error
    return data


def _library_decompressor(codec: str) -> Callable[[memoryview], bytes]:
    """Let fastavro read the other codecs: from a container of one block, which it leaves undecoded.

    So it is fastavro that knows them, and the libraries they need.
    """
    from fastavro import block_reader  # noqa: PLC0415 - rare

    def decompress(payload: memoryview) -> bytes:
        container = one_block_container(b'"bytes"', [bytes(payload)], 1, codec.encode())
        try:
            block = next(block_reader(BytesIO(container)))
        except ValueError as error:
            raise BrokenFileError(f"its codec {codec} cannot be read: {error}") from error
        except Exception as error:  # each codec's library has its own class for damaged bytes
            raise ValueError(f"{codec}: {error}") from error
        data: bytes = block.bytes_.getvalue()  # type: ignore[attr-defined]  # stubs lack it
        return data

    return decompress


def one_block_container(
    schema: bytes, parts: list[bytes], count: int, codec: bytes = b"null"
) -> bytes:
    """Put blocks into a container of their own, as one block."""
    sync = bytes(SYNC_BYTES)
    size = sum(map(len, parts))
    head = [MAGIC, encode_integer(2)]
    for key, value in ((b"avro.schema", schema), (b"avro.codec", codec)):
        head += [encode_integer(len(key)), key, encode_integer(len(value)), value]
    head += [encode_integer(0), sync, encode_integer(count), encode_integer(size)]
    return b"".join([*head, *parts, sync])


def encode_integer(value: int) -> bytes:
    """Write a length as Avro does: zigzag, seven bits a byte."""
    value <<= 1
    encoded = bytearray()
    while value > 0x7F:  # noqa: PLR2004
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


class _Cursor:
    """Reads numbers and pieces of bytes, one after the other."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self.position = position

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if size < 0:
            raise BrokenFileError(f"an impossible length stands at byte {self.position}")
        if end > len(self._data):
            raise Truncated(f"the file is cut off: it ends at byte {len(self._data)}")
        piece = self._data[self.position : end]
        self.position = end
        return piece

    def integer(self) -> int:
        start = self.position
        value = 0
        for shift, byte in self._bytes():
            value |= (byte & 0x7F) << shift
            if byte < 0x80:  # noqa: PLR2004
                return (value >> 1) ^ -(value & 1)
        raise BrokenFileError(f"no number stands at byte {start}, where one should")

    def _bytes(self) -> Iterator[tuple[int, int]]:
        for index in range(_LONGEST_VARINT):
            yield 7 * index, self.take(1)[0]


def _plain_field(raw: dict[str, Any]) -> tuple[Field, dict[str, Any]]:
    """Describe a field, and write its type down without wrapping (`connect.doc`, logical types)."""
    name = raw["name"]
    avro_type, nullable, plain = _plain_type(raw["type"])
    return Field(name, avro_type, nullable=nullable), {"name": name, "type": plain}


def _plain_type(raw: Any) -> tuple[str, bool, Any]:  # noqa: ANN401
    if isinstance(raw, list):
        return _plain_union(raw)
    if isinstance(raw, dict):
        if raw.get("type") == "array":
            item, _, plain = _plain_type(raw["items"])
            name = f"array<{item}>" if item in JSON_TYPES else "other"
            return name, False, {"type": "array", "items": plain}
        if isinstance(raw.get("type"), (dict, list)) or raw.get("type") in JSON_TYPES:
            return _plain_type(raw["type"])
    return (raw if isinstance(raw, str) and raw in JSON_TYPES else "other"), False, raw


def _plain_union(raw: list[Any]) -> tuple[str, bool, Any]:
    # The order of a union is part of how its values are written.
    branches = [("null", True, "null") if item == "null" else _plain_type(item) for item in raw]
    types = {name for name, _, _ in branches if name != "null"}
    name = types.pop() if len(types) == 1 and len(raw) <= 2 else "other"  # noqa: PLR2004
    return name, "null" in raw, [plain for _, _, plain in branches]
