"""Decode Avro blocks to NDJSON, in the fastest of three ways. All three give the same bytes.

- In columns: polars decodes a group of blocks in one call, with no Python code for each record.
  This is the fast lane. It is used for groups of many records whose types polars supports.
- In one call: fastavro decodes a group. It is faster for few records, because polars needs about
  the same time for one value as for a thousand. It is also used for types that polars does not
  support, and for numbers that polars writes differently.
- A few at a time: fastavro again, for a group that would need too much memory in one call.

`tests/tap_braze_currents/formats/test_decoding.py` checks that the three ways agree.
"""

from __future__ import annotations

import io
import json
import secrets
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Final

from tap_braze_currents.formats import avro_values
from tap_braze_currents.formats.avro_container import (
    Block,
    Header,
    check_blocks,
    check_count,
    encode_integer,
    one_block_container,
    read_header,
    walk_blocks,
)
from tap_braze_currents.formats.block_codecs import decompressor
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import TEXT_BYTES, UNPACKED_BYTES
from tap_braze_currents.formats.quiet_panics import quiet_panics
from tap_braze_currents.formats.records import Rows, Selection, convert, encode_lines, fits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

    from tap_braze_currents.formats.avro_types import AvroType

GROUP_BYTES: Final = 256 << 10
"""The bytes to decode at a time. More is not faster and needs more memory."""
FEW_VALUES: Final = 1_000
"""Up to this number of values (records times fields), fastavro is faster than polars."""
RECORDS_AT_A_TIME: Final = 1_000
"""The most records of a call in the third way, a few at a time."""
SAME_TEXT: Final = {"float": (1e-4, 9e12), "double": (0, 9e15), "array<double>": (0, 9e15)}
"""Avro type → the smallest and largest absolute value, besides 0, that polars and msgspec write in
the same way. Beyond them, one writes `1e+16` and the other `1e16`, or only one uses an exponent."""

_MARK: Final = secrets.token_hex(16)
"""The text of the record that is added to a group, see `_Decoder._in_columns`. It is random, so
that no file can contain it."""
_BYTES_OF_A_VALUE = 8
"""The estimated JSON bytes around and in a short value: quotes, colon, comma, `null`."""


class AvroFile:
    """A Currents file in memory."""

    def __init__(self, data: bytes | memoryview) -> None:
        """Read the header and check all blocks.

        Raises:
            BrokenFileError: The file is cut off or is not an Avro file.
        """
        self._data = data
        self.header: Header = read_header(data)
        check_blocks(data, self.header)

    def rows(self, selection: Selection) -> Iterator[Rows]:
        """Decode the file, some thousand records at a time.

        Args:
            selection: The fields to return, with their JSON types.

        Raises:
            BrokenFileError: A block cannot be decompressed or decoded.
        """
        # Blocks are collected into groups of `GROUP_BYTES`: Braze's blocks are small, and each call
        # of a decoder has a fixed cost.
        decoder = _Decoder(self.header, selection)
        decompress = decompressor(self.header.codec)
        parts: list[bytes] = []
        count = size = offset = unpacked = 0
        for block in walk_blocks(self._data, self.header):
            part = self._decompressed(block, decompress)
            if not parts:
                offset = block.offset
            parts.append(part)
            count += block.records
            size += len(part)
            unpacked += len(part)
            if unpacked > UNPACKED_BYTES:
                raise BrokenFileError(f"it is larger than {UNPACKED_BYTES >> 20} MiB when unpacked")
            if size >= GROUP_BYTES:
                yield from decoder.rows(parts, count, offset)
                parts, count, size = [], 0, 0
        if count:
            yield from decoder.rows(parts, count, offset)

    def _decompressed(self, block: Block, decompress: Callable[[memoryview], bytes]) -> bytes:
        if not block.payload and not block.records:
            return b""  # not even an empty compressed stream
        try:
            part = decompress(block.payload)
        except ValueError as error:
            raise _broken(block.offset, error) from error
        check_count(block, len(part), self.header)
        return part


def _broken(offset: int, error: BaseException) -> BrokenFileError:
    reason = str(error).splitlines()[0] if str(error) else "no reason given"
    return BrokenFileError(
        f"the block at byte {offset} cannot be decoded ({type(error).__name__}: {reason[:200]})"
    )


class _Decoder:
    """Decode the blocks of one file."""

    def __init__(self, header: Header, selection: Selection) -> None:
        self._schema = header.schema
        self._types = header.schema.fields
        self._wanted = selection.types
        self._fields = [field for field in header.fields if field.name in selection.types]
        self._names = [field.name for field in self._fields]
        self._missing = selection.missing(list(self._types))
        out_of_file = {f.name: f.type for f in self._fields}
        self._converters = [
            (name, to_json)
            for name, avro_type in out_of_file.items()
            if (to_json := _to_json(name, self._types[name], self._wanted[name]))
        ]
        # Columns need two things. polars must know the type of every field, also of fields that are
        # not selected, since it reads past them (`zero` is set for these types only). And every
        # selected value must be right without a conversion. Lists of 32-bit floats are excluded:
        # polars writes more digits of them than the other ways.
        self._fits_columns = all(kind.zero is not None for kind in self._types.values()) and all(
            fits(field.type, self._wanted[field.name]) and field.type != "array<float>"
            for field in self._fields
        )
        names = [*self._names, *self._missing]
        self._overhead = sum(len(name) + _BYTES_OF_A_VALUE for name in names)

    def rows(self, parts: list[bytes], count: int, offset: int) -> Iterator[Rows]:
        """Decode a group of blocks in the fastest way that fits.

        Args:
            parts: The decompressed blocks.
            count: The number of records in all blocks.
            offset: The byte position of the first block in the file, for messages.

        Raises:
            BrokenFileError: The blocks cannot be decoded.
        """
        # Text takes up to twice its bytes as JSON (escapes), and each record repeats all names.
        text_bytes = 2 * sum(map(len, parts)) + count * self._overhead
        if text_bytes > TEXT_BYTES:
            yield from self._few_at_a_time(b"".join(parts), count, offset)
            return
        if self._fits_columns and count * len(self._types) > FEW_VALUES:
            lines = self._in_columns(parts, count)
            if lines is not None:
                yield Rows(lines, count)
                return
        yield Rows(self._in_one_call(b"".join(parts), count, offset), count)

    def _in_columns(self, parts: list[bytes], count: int) -> bytes | None:
        """Decode with polars. Return None if fastavro must decode the group instead.

        polars ignores bytes after the last record that a block claims. If a damaged block claims
        too few records, the others would be lost without an error. So one more record is appended,
        with a random text as a mark. If polars returns the mark in its last record, then all bytes
        before it belong to the expected records. If not, fastavro finds the error.
        """
        import polars as pl  # noqa: PLC0415 - 0.1 s that discovery and small files need not spend

        if not self._names:
            return None
        mark_field, mark_record = self._mark_record
        if mark_field is None:
            return None
        columns = self._names if mark_field in self._names else [*self._names, mark_field]
        container = one_block_container(self._layout, [*parts, mark_record], count + 1)
        try:
            with quiet_panics():
                frame = pl.read_avro(io.BytesIO(container), columns=columns)
        except (OSError, ValueError, pl.exceptions.PolarsError, pl.exceptions.PanicException):
            return None  # fastavro decodes the group, or raises an error with a better reason
        if frame.height != count + 1 or frame[mark_field][-1] != _MARK:
            return None
        frame = frame.head(count)
        if mark_field not in self._wanted:
            frame = frame.drop(mark_field)
        if self._has_other_text(frame):
            return None
        if self._missing:
            frame = frame.with_columns(pl.lit(None).alias(name) for name in self._missing)
        out = io.BytesIO()
        frame.write_ndjson(out)
        return out.getvalue()

    @cached_property
    def _layout(self) -> bytes:
        return json.dumps(self._schema.layout).encode()

    @cached_property
    def _mark_record(self) -> tuple[str | None, bytes]:
        """The name of the field that holds the mark, and the bytes of the record with the mark.

        All other fields are zero or null. The name is None if the file has no text field.
        """
        mark = encode_integer(len(_MARK)) + _MARK.encode()
        written, mark_field = [], None
        for name, kind in self._types.items():
            zero = kind.zero or b""
            if kind.name == "string" and mark_field is None:
                mark_field = name
                # In a union such as ["null", "string"], Avro writes the number of the branch before
                # the value.
                is_union = isinstance(kind.layout, list)
                number = kind.layout.index("string") if is_union else 0
                zero = (encode_integer(number) if is_union else b"") + mark
            written.append(zero)
        return mark_field, b"".join(written)

    def _has_other_text(self, frame: pl.DataFrame) -> bool:
        """Return whether polars would write some number differently, see `SAME_TEXT`."""
        for field in self._fields:
            if field.type in SAME_TEXT:
                smallest, largest = SAME_TEXT[field.type]
                amounts = frame[field.name].explode().abs()
                is_other = (amounts > largest) | ((amounts < smallest) & (amounts > 0))
                if is_other.any():
                    return True
        return False

    def _in_one_call(self, data: bytes, count: int, offset: int) -> bytes:
        """Decode with fastavro in one call.

        The bytes of records are also the content of an Avro array of records: a count before them
        and a zero after them make it complete. One call for the array is much faster than one call
        for each record.
        """
        source = io.BytesIO(b"".join((encode_integer(count), data, b"\0")))
        try:
            records = self._read_array(source)
            _check_end(source, are_all=len(records) == count)
            return encode_lines([self._selected(record) for record in records])
        except Exception as error:  # damaged bytes may raise any error in the decoder
            raise _broken(offset, error) from error

    def _few_at_a_time(self, data: bytes, count: int, offset: int) -> Iterator[Rows]:
        """Decode with fastavro record by record, and yield them in small groups."""
        source = io.BytesIO(data)
        done = 0
        while done < count:
            begin = source.tell()
            batch: list[dict[str, Any]] = []
            try:
                while done + len(batch) < count and len(batch) < RECORDS_AT_A_TIME:
                    batch.append(self._selected(self._read_record(source)))
                    if source.tell() - begin > GROUP_BYTES:
                        break
                done += len(batch)
                if done == count:
                    _check_end(source)
                lines = encode_lines(batch)
            except Exception as error:  # damaged bytes may raise any error in the decoder
                raise _broken(offset, error) from error
            yield Rows(lines, len(batch))

    @cached_property
    def _read_record(self) -> Callable[[io.BytesIO], Any]:
        return _reader(self._schema.layout)

    @cached_property
    def _read_array(self) -> Callable[[io.BytesIO], Any]:
        return _reader({"type": "array", "items": self._schema.layout})

    def _selected(self, raw: dict[str, Any]) -> dict[str, Any]:
        record = {name: raw[name] for name in self._names}
        for name, to_json in self._converters:
            if record[name] is not None:
                record[name] = to_json(record[name])
        if self._missing:
            record |= dict.fromkeys(self._missing)
        return record


def _to_json(name: str, kind: AvroType, wanted: str) -> Callable[[Any], Any] | None:
    """Return a function that converts a decoded value to the JSON type of the catalog.

    Args:
        name: The name of the field.
        kind: The type of the field in the file.
        wanted: The JSON type in the catalog.

    Returns:
        The function, or None if the decoded value is already right.
    """
    plain = kind.to_json
    if wanted in {"integer", "number"} and kind.per_second:
        # Currents has `time` in UNIX seconds and `time_ms` in milliseconds.
        units = 1000 if name.endswith("_ms") else 1
        return lambda value: avro_values.unix_time(value, kind.per_second, units)
    if wanted in {"integer", "number"} and kind.name == "date":
        return avro_values.date_seconds
    scale = kind.scale
    if scale is not None and wanted in {"integer", "string"}:
        finish = avro_values.decimal_integer if wanted == "integer" else avro_values.decimal_text
        return lambda value: finish(avro_values.decimal(value, scale))
    if fits(kind.name, wanted) and kind.name != "other":
        return plain
    if plain is None:
        return lambda value: convert(value, kind.name, wanted)
    return lambda value: convert(plain(value), kind.name, wanted)


def _check_end(source: io.BytesIO, *, are_all: bool = True) -> None:
    if source.read(1) or not are_all:
        raise ValueError("bytes are left over after the last record")


def _reader(layout: dict[str, Any]) -> Callable[[io.BytesIO], Any]:
    """Return a function that reads one value of this schema with fastavro."""
    import fastavro  # noqa: PLC0415 - not needed for files that are read in columns

    schema = fastavro.parse_schema(layout)
    return partial(
        fastavro.schemaless_reader,
        writer_schema=schema,
        reader_schema=None,
        handle_unicode_errors="replace",
    )
