"""Avro containers as Currents writes them: a header, then blocks of records.

Only the container is read here; `avro_decoding` turns the blocks into records.
Source: the Avro 1.12 specification, "Object Container Files".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from tap_braze_currents.formats.avro_names import event_type_of_record
from tap_braze_currents.formats.avro_schema import RecordSchema, read_schema
from tap_braze_currents.formats.errors import BrokenFileError, TruncatedFileError
from tap_braze_currents.formats.fields import Field
from tap_braze_currents.formats.limits import FREE_RECORDS, HEADER_BYTES, RECORDS_PER_BYTE

if TYPE_CHECKING:
    from collections.abc import Iterator

MAGIC: Final = b"Obj\x01"
SYNC_BYTES: Final = 16
_LONGEST_VARINT = 10
_GOES_ON = 0x80
"""The bit of a byte that says that the number goes on in the next one."""
_SCHEMA, _CODEC = b"avro.schema", b"avro.codec"


class Block(NamedTuple):
    """One block of a container, still compressed."""

    offset: int
    """Byte position in the file."""
    records: int
    payload: memoryview


class Header(NamedTuple):
    """What the beginning of a container says about the rest."""

    event_type: str
    fields: tuple[Field, ...]
    schema: RecordSchema
    codec: str
    sync: bytes
    end: int
    """Byte position of the first block."""


def read_header(data: bytes | memoryview) -> Header:
    """Read the header of a container; `data` may end after it.

    Raises:
        TruncatedFileError: The header goes on beyond `data`.
        BrokenFileError: This is no Avro container, or its schema is not that of an event.
    """
    if not data:
        raise BrokenFileError("it is empty")
    if data[: len(MAGIC)] != MAGIC:
        raise BrokenFileError("this is no Avro file (it does not begin with `Obj`)")
    cursor = _Cursor(memoryview(data), len(MAGIC))
    metadata: dict[bytes, bytes] = {}
    while count := cursor.integer():
        if count < 0:  # then the size of this part of the map follows, for skipping
            cursor.integer()
        for _ in range(abs(count)):
            key = cursor.take(cursor.integer())
            value = cursor.take(cursor.integer())
            if key in (_SCHEMA, _CODEC):
                metadata[bytes(key)] = bytes(value)
            if cursor.position > HEADER_BYTES:
                raise BrokenFileError(f"its header is longer than {HEADER_BYTES >> 10} KiB")
    sync = bytes(cursor.take(SYNC_BYTES))
    if _SCHEMA not in metadata:
        raise BrokenFileError("its header holds no Avro schema")
    schema = read_schema(metadata[_SCHEMA])
    return Header(
        event_type=event_type_of_record(schema.name),
        fields=tuple(
            Field(name, kind.name, nullable=kind.nullable) for name, kind in schema.fields.items()
        ),
        schema=schema,
        codec=metadata.get(_CODEC, b"null").decode("utf-8", "replace"),
        sync=sync,
        end=cursor.position,
    )


def check_blocks(data: bytes | memoryview, header: Header) -> None:
    """Walk through all blocks without decompressing one.

    So a file that was cut off is found out before any of its records is out, and counts that the
    file cannot hold before memory is asked for them.

    Raises:
        TruncatedFileError: The file ends inside a block.
        BrokenFileError: A block does not end with the file's sync marker, or claims more records
            than it can hold.
    """
    records = 0
    most = FREE_RECORDS + RECORDS_PER_BYTE * len(data)
    for block in walk_blocks(data, header):
        records += block.records
        if records > most:
            raise BrokenFileError(
                f"the block at byte {block.offset} claims {block.records} records, more than a "
                f"file of {len(data)} bytes can hold"
            )
        if header.codec == "null":
            check_count(block, len(block.payload), header)


def check_count(block: Block, size: int, header: Header) -> None:
    """Check how many records a block claims against its bytes.

    Args:
        block: The block.
        size: The bytes of its payload, decompressed.
        header: Of the file.

    Raises:
        BrokenFileError: They cannot be so many.
    """
    if block.records * header.schema.fewest_bytes > size:
        raise BrokenFileError(
            f"the block at byte {block.offset} claims {block.records} records, but holds only "
            f"{size} bytes"
        )
    if not block.records and size:
        raise BrokenFileError(
            f"the block at byte {block.offset} claims no records, but holds {size} bytes"
        )


def walk_blocks(data: bytes | memoryview, header: Header) -> Iterator[Block]:
    """Yield the blocks one after the other; none is kept, for there may be millions.

    Raises:
        TruncatedFileError: The file ends inside a block.
        BrokenFileError: A block does not end with the file's sync marker.
    """
    cursor = _Cursor(memoryview(data), header.end)
    end = len(data)
    while cursor.position < end:
        offset = cursor.position
        count, size = cursor.integer(), cursor.integer()
        if count < 0 or size < 0:
            raise BrokenFileError(f"the block at byte {offset} has an impossible size")
        payload = cursor.take(size)
        if cursor.take(SYNC_BYTES) != header.sync:
            raise BrokenFileError(f"the block at byte {offset} does not end where it should")
        yield Block(offset, count, payload)


def one_block_container(schema: bytes, parts: list[bytes], count: int) -> bytes:
    """Put decompressed blocks into a container of their own, as one block.

    Args:
        schema: As JSON.
        parts: The blocks.
        count: The records in all of them.
    """
    sync = bytes(SYNC_BYTES)
    size = sum(map(len, parts))
    head = [MAGIC, encode_integer(2)]
    for key, value in ((_SCHEMA, schema), (_CODEC, b"null")):
        head += [encode_integer(len(key)), key, encode_integer(len(value)), value]
    head += [encode_integer(0), sync, encode_integer(count), encode_integer(size)]
    return b"".join([*head, *parts, sync])


def encode_integer(value: int) -> bytes:
    """Write a length as Avro does: zigzag, seven bits a byte."""
    value <<= 1
    encoded = bytearray()
    while value >= _GOES_ON:
        encoded.append(value & 0x7F | _GOES_ON)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


class _Cursor:
    """Reads numbers and pieces of bytes, one after the other."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self._end = len(data)
        self.position = position

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if size < 0:
            raise BrokenFileError(f"an impossible length stands at byte {self.position}")
        if end > self._end:
            raise TruncatedFileError(f"the file is cut off: it ends at byte {self._end}")
        piece = self._data[self.position : end]
        self.position = end
        return piece

    def integer(self) -> int:
        """Read a number: seven bits a byte, the lowest first, the sign in the lowest of all."""
        start = position = self.position
        value = shift = 0
        for position in range(start, min(start + _LONGEST_VARINT, self._end)):
            byte = self._data[position]
            value |= (byte & 0x7F) << shift
            if byte < _GOES_ON:
                self.position = position + 1
                return (value >> 1) ^ -(value & 1)
            shift += 7
        if start + _LONGEST_VARINT > self._end:
            raise TruncatedFileError(f"the file is cut off: it ends at byte {self._end}")
        raise BrokenFileError(f"no number stands at byte {start}, where one should")
