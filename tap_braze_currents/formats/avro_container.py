"""Read Avro containers: a header, then blocks of records.

This module reads only the container. `avro_decoding` decodes the blocks into records.
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
"""The bit of a byte that is set when the number continues in the next byte."""
_SCHEMA, _CODEC = b"avro.schema", b"avro.codec"


class Block(NamedTuple):
    """One block of a container, still compressed."""

    offset: int
    """Byte position in the file."""
    records: int
    payload: memoryview


class Header(NamedTuple):
    """The header of a container."""

    event_type: str
    fields: tuple[Field, ...]
    schema: RecordSchema
    codec: str
    sync: bytes
    end: int
    """Byte position of the first block."""


def read_header(data: bytes | memoryview) -> Header:
    """Read the header of a container.

    Args:
        data: The beginning of the file, or the whole file.

    Raises:
        TruncatedFileError: The header is longer than `data`.
        BrokenFileError: The data are not an Avro container, or the schema is not a record.
    """
    if not data:
        raise BrokenFileError("it is empty")
    if data[: len(MAGIC)] != MAGIC:
        raise BrokenFileError("this is not an Avro file (it does not begin with `Obj`)")
    cursor = _Cursor(memoryview(data), len(MAGIC))
    metadata: dict[bytes, bytes] = {}
    while count := cursor.integer():
        # Avro writes a map in parts. A negative count means that the size of the part in bytes
        # follows, so that readers can skip it. It is not needed here.
        if count < 0:
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
    """Check all blocks without decompressing them.

    This finds a file that is cut off before any of its records is emitted, and finds impossible
    record counts before memory is allocated for them.

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
    """Check the number of records that a block claims against its size.

    Args:
        block: The block.
        size: The size of the decompressed payload in bytes.
        header: The header of the file.

    Raises:
        BrokenFileError: The block is too small for its records, or has bytes but no records.
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
    """Yield the blocks one by one. They are not collected, because there may be millions.

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
    """Return a new container with one uncompressed block.

    Args:
        schema: The Avro schema as JSON.
        parts: The decompressed blocks.
        count: The number of records in all blocks.
    """
    sync = bytes(SYNC_BYTES)
    size = sum(map(len, parts))
    head = [MAGIC, encode_integer(2)]
    for key, value in ((_SCHEMA, schema), (_CODEC, b"null")):
        head += [encode_integer(len(key)), key, encode_integer(len(value)), value]
    head += [encode_integer(0), sync, encode_integer(count), encode_integer(size)]
    return b"".join([*head, *parts, sync])


def encode_integer(value: int) -> bytes:
    """Encode a number that is not negative in Avro's way: zigzag, seven bits in each byte."""
    value <<= 1
    encoded = bytearray()
    while value >= _GOES_ON:
        encoded.append(value & 0x7F | _GOES_ON)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


class _Cursor:
    """Read numbers and byte strings one after the other."""

    def __init__(self, data: memoryview, position: int) -> None:
        self._data = data
        self._end = len(data)
        self.position = position

    def take(self, size: int) -> memoryview:
        end = self.position + size
        if size < 0:
            raise BrokenFileError(f"the length at byte {self.position} is impossible")
        if end > self._end:
            raise TruncatedFileError(f"the file is cut off: it ends at byte {self._end}")
        piece = self._data[self.position : end]
        self.position = end
        return piece

    def integer(self) -> int:
        """Read a number in Avro's variable-length zigzag encoding.

        Each byte holds seven bits, the lowest first. The lowest bit of the whole number is its
        sign: 0, 1, 2, 3 stand for 0, -1, 1, -2.
        """
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
        raise BrokenFileError(f"there should be a number at byte {start}, but there is not")
