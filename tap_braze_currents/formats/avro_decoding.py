"""Avro blocks → NDJSON, without work per record where the types allow it.

NDJSON is the one form in which records travel from here on: one JSON object a line, compact,
fields in the file's order.

The fast way lets polars decode groups of blocks. It is left for the plain way (fastavro, record
by record) where polars would write another text than msgspec does (very large numbers, small
floats), where a type must be converted, and for what it cannot read.
"""

from __future__ import annotations

import io
import json
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from tap_braze_currents.catalog.event_types import Field, json_type_of
from tap_braze_currents.formats.avro_container import (
    Block,
    BrokenFileError,
    Header,
    decompressor,
    one_block_container,
    read_blocks,
    read_header,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import polars as pl

GROUP_BYTES = 256 << 10
"""How much is decoded at a time; more is no faster and takes more memory."""
SAME_TEXT = {"float": (1e-4, 9e12), "double": (0, 9e15), "array<double>": (0, 9e15)}
"""Between which amounts, besides 0, polars and msgspec write numbers alike; beyond, `1e+16` is
`1e16`, and a float may have an exponent in one only."""

_SCALARS = (str, bool, int, float)
"""What a union of several types holds as it is, if the catalog wants no text."""

_encode_lines = msgspec.json.Encoder().encode_lines
_encode = msgspec.json.Encoder().encode


class Rows(NamedTuple):
    """Some records of a file."""

    ndjson: bytes
    """One line each, with a newline at the end of the last."""
    records: int


@dataclass(frozen=True)
class Selection:
    """What is wanted of a stream's files."""

    types: Mapping[str, str]
    """Selected field → its JSON type in the catalog, or "" if that is not a single one."""
    expected: Sequence[str] = ()
    """Selected fields that are null, not absent, where a file lacks them."""

    def missing(self, present: Sequence[str]) -> list[str]:
        """Return the expected fields that are not among those present."""
        there = set(present)
        return [name for name in self.expected if name not in there]


class AvroFile:
    """A Currents file in memory."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Read the header and find all blocks.

        Raises:
            BrokenFileError: The file is cut off or is no Avro file.
        """
        self.header: Header = read_header(data)
        self.blocks: list[Block] = read_blocks(data, self.header)

    def rows(self, selection: Selection) -> Iterator[Rows]:
        """Decode the file, some thousand records at a time.

        Raises:
            BrokenFileError: A block cannot be decompressed or decoded.
        """
        decoder = _Decoder(self.header, selection)
        decompress = decompressor(self.header.codec)
        parts: list[bytes] = []
        count = size = offset = 0
        for block in self.blocks:
            if not parts:
                offset = block.offset
            try:
                part = decompress(block.payload)
            except ValueError as error:
                raise _broken(block.offset, error) from error
            parts.append(part)
            count += block.records
            size += len(part)
            if size >= GROUP_BYTES:
                yield Rows(decoder.ndjson(parts, count, offset), count)
                parts, count, size = [], 0, 0
        if count:
            yield Rows(decoder.ndjson(parts, count, offset), count)


def _broken(offset: int, error: BaseException) -> BrokenFileError:
    return BrokenFileError(
        f"the block at byte {offset} cannot be decoded ({type(error).__name__}: "
        f"{str(error).splitlines()[0] if str(error) else 'no reason given'})"
    )


class _Decoder:
    """Decodes the blocks of one file."""

    def __init__(self, header: Header, selection: Selection) -> None:
        self._header = header
        self._selection = selection
        self._fields = [field for field in header.fields if field.name in selection.types]
        self._missing = selection.missing([field.name for field in header.fields])
        self._schema = json.dumps(header.schema).encode()
        self._is_plain = all(field.type != "other" for field in header.fields)
        self._fast = self._is_plain and not any(map(self._needs_python, self._fields))

    def ndjson(self, parts: list[bytes], count: int, offset: int) -> bytes:
        if self._fast:
            lines = self._with_polars(parts, count)
            if lines is not None:
                return lines
        try:
            return self._with_fastavro(b"".join(parts), count)
        except Exception as error:  # whatever a decoder says about damaged bytes
            raise _broken(offset, error) from error

    def _needs_python(self, field: Field) -> bool:
        return field.type == "array<float>" or not fits(
            field.type, self._selection.types[field.name]
        )

    def _with_polars(self, parts: list[bytes], count: int) -> bytes | None:
        """Decode the fast way; None if the plain way must do it."""
        import polars as pl  # noqa: PLC0415 - 0.1 s that discovery need not spend

        names = [field.name for field in self._fields]
        if not names:
            return _encode_lines([dict.fromkeys(self._missing)] * count)
        container = one_block_container(self._schema, parts, count)
        try:
            frame = pl.read_avro(io.BytesIO(container), columns=names)
        except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None
        if frame.height != count or self._has_other_text(frame):
            return None
        if self._missing:
            frame = frame.with_columns(pl.lit(None).alias(name) for name in self._missing)
        out = io.BytesIO()
        frame.write_ndjson(out)
        return out.getvalue()

    def _has_other_text(self, frame: pl.DataFrame) -> bool:
        for field in self._fields:
            if field.type in SAME_TEXT:
                smallest, largest = SAME_TEXT[field.type]
                amounts = frame[field.name].explode().abs()
                is_other = (amounts > largest) | ((amounts < smallest) & (amounts > 0))
                if is_other.any():
                    return True
        return False

    def _with_fastavro(self, data: bytes, count: int) -> bytes:
        import fastavro  # noqa: PLC0415 - only for unusual files

        source = io.BytesIO(data)
        schema = fastavro.parse_schema(self._header.schema)
        missing = dict.fromkeys(self._missing)
        records = []
        for _ in range(count):
            raw: Any = fastavro.schemaless_reader(
                source, schema, None, handle_unicode_errors="replace"
            )
            record = {
                field.name: convert(raw[field.name], field.type, self._selection.types[field.name])
                for field in self._fields
            }
            records.append(record | missing)
        if source.tell() != len(data):
            raise ValueError(f"{len(data) - source.tell()} bytes are left over")
        return _encode_lines(records)


def convert(value: Any, avro_type: str, wanted: str) -> Any:  # noqa: ANN401
    """Bring a value to the JSON type of the catalog, if nothing is lost by that.

    Args:
        value: As the plain Avro reader gives it.
        avro_type: Its type in the file.
        wanted: JSON type in the catalog.

    Returns:
        The value in the wanted type; as it was where that type cannot hold it.
    """
    if value is None:
        return None
    if avro_type == "float":
        value = shortest_float(value)
    is_nested = avro_type == "other" and not isinstance(value, _SCALARS)
    if is_nested or (wanted == "string" and not isinstance(value, str)):
        value = _text(value)
    elif wanted == "integer" and isinstance(value, float) and value.is_integer():
        value = int(value)
    return value


def fits(avro_type: str, wanted: str) -> bool:
    """Tell whether values of an Avro type are of a JSON type as they are; "" means any type."""
    return wanted in {"", json_type_of(avro_type)} or (
        wanted == "number" and json_type_of(avro_type) == "integer"
    )


def is_lossless(avro_type: str, wanted: str) -> bool:
    """Tell whether `convert` brings every value of an Avro type to a JSON type of the catalog."""
    return fits(avro_type, wanted) or wanted == "string"


def _text(value: Any) -> str:  # noqa: ANN401
    return _encode(value).decode()


def shortest_float(value: float) -> float:
    """Return the shortest decimal that is the same 32-bit number: 3.14, not 3.140000104904175."""
    for digits in range(6, 9):
        shorter = float(f"{value:.{digits}g}")
        try:
            if struct.pack("f", shorter) == struct.pack("f", value):
                return shorter
        except OverflowError:  # rounded beyond the largest 32-bit number
            continue
    return float(f"{value:.9g}")
