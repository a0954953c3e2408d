"""Read Singer messages in blocks, with a fast lane for records.

A target gets thousands of RECORD lines of the same stream in a row. To parse each line only to find
its type and stream would cost more than the rest of the work. But all RECORD lines of one stream
begin with the same bytes, `{"type":"RECORD","stream":"…","record":`. So the reader parses the first
line of a row, keeps its bytes up to the record as a prefix, and compares the following lines with
it. All lines with the same prefix go unparsed to the stream's lane, which decodes them in its own
way. A line with another prefix is parsed again.
"""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import IO, TYPE_CHECKING, Any, Final

import msgspec
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding.base import GenericSingerReader, SingerMessageType

from braze_mixpanel.errors import ConnectorError, InputError
from braze_mixpanel.lenient_json import UNREADABLE, TooLargeTextError, decode_leniently
from braze_mixpanel.singer.large_records import without_record
from braze_mixpanel.singer.line_blocks import is_regular_file, line_blocks

if TYPE_CHECKING:
    from collections.abc import Container, Mapping

Lane = Callable[[list[bytes]], None]
TakeTooLarge = Callable[[str, bytes, "TooLargeRecordError"], None]
"""Takes the stream, the line and why it cannot be read."""
_OF_RECORDS = frozenset({"RECORD", "BATCH"})
_ZEROS_IN_A_LETTER_OF_UTF32: Final = 3
_NO_PREFIX = b"\n"
"""A prefix that no line has."""
_has_record = re.compile(rb'"record"\s*:').search
_has_type = re.compile(rb'"type"\s*:').search
_has_stream = re.compile(rb'"stream"\s*:').search
_PARTS: dict[str, dict[str, type]] = {
    "SCHEMA": {"stream": str, "schema": dict},
    "RECORD": {"stream": str, "record": object},
    "BATCH": {"stream": str, "encoding": dict, "manifest": list},
    "STATE": {"value": dict},
    "ACTIVATE_VERSION": {"stream": str},
}
"""Message type → the parts that the callbacks need, with their types. The callbacks check the
content of a record themselves."""


def _find_wrong_part(kind: str, message: Mapping[str, Any]) -> str | None:
    """Return the name of a part that is missing or has a wrong type, or None."""
    for part, wanted in _PARTS.get(kind, {}).items():
        if part not in message or not isinstance(message[part], wanted):
            return part
    if kind == "SCHEMA":
        if not isinstance(message["schema"].get("properties"), dict):
            return "schema.properties"
        if not _is_list_of_texts(message.get("key_properties") or []):
            return "key_properties"
    if kind == "BATCH" and not _is_list_of_texts(message["manifest"]):
        return "manifest"
    return None


def _is_list_of_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, str) for item in value)


def decode_line(line: bytes) -> dict[str, Any]:
    """Parse the JSON object of one line, see `decode_leniently`.

    Raises:
        TooLargeTextError: The line would need too much memory.
        ValueError: The line is not a JSON object.
    """
    value = decode_leniently(line)
    if isinstance(value, dict):
        return value
    raise ValueError("not a JSON object")


def read_record(line: bytes, stream: str, *, whole_message: bool = True) -> dict[str, Any]:
    """Return the record of a line, also if its JSON is not strictly valid.

    Args:
        line: A RECORD message, or the JSON of a record.
        stream: The name of the stream, for errors.
        whole_message: Whether the line is a RECORD message.

    Raises:
        TooLargeRecordError: The record would need too much memory.
        InputError: The line has no record.
    """
    try:
        value = decode_line(line)
    except TooLargeTextError as error:
        raise TooLargeRecordError(stream, error) from error
    except ValueError as error:
        raise _no_record(stream) from error
    return record_of(value, stream) if whole_message else value


def record_of(message: Mapping[str, Any], stream: str) -> dict[str, Any]:
    """Return the record of a parsed RECORD message.

    Raises:
        InputError: The message has no record.
    """
    record = message.get("record")
    if not isinstance(record, dict):
        raise _no_record(stream)
    return record


def _no_record(stream: str) -> InputError:
    return InputError(
        f"A line of stream {stream} holds no record (a JSON object): is the tap's standard output "
        "mixed with something else? What came before it was processed."
    )


def require_schema(stream: str, known: Container[str]) -> None:
    """Raise if a record comes before the SCHEMA of its stream.

    Raises:
        RecordBeforeSchemaError: There was no SCHEMA of the stream.
    """
    if stream not in known:
        raise RecordBeforeSchemaError(
            f"A record of stream {stream} came before its SCHEMA message. "
            "The tap does not follow the Singer specification."
        )


def require_input(reader: SingerLineReader) -> None:
    """Raise at the end of an input without streams, unless the input is an empty file.

    An empty file may be the dead letter of a run without rejected records.

    Raises:
        InputError: The tap wrote no stream.
    """
    if reader.is_empty and reader.is_file:
        return
    if reader.is_empty:
        raise InputError(
            "The input is empty. If the tap failed, its own message says why: fix that first. Its "
            "output belongs on this command's standard input."
        )
    raise InputError(
        "Nothing came in: no stream at all. Are streams selected in the tap (meltano select TAP "
        "--list), and did it run without an error? Its output belongs on this command's standard "
        "input."
    )


class TooLargeRecordError(InputError):
    """A record would take too much memory: it is rejected, and the others are read."""

    def __init__(self, stream: str, cause: TooLargeTextError) -> None:
        """Say which stream's record it is.

        Args:
            stream: The stream.
            cause: Which bound it is beyond.
        """
        super().__init__(
            f"A record of stream {stream} is too large to be read ({cause}): leave such records "
            "out in the tap."
        )


class RecordBeforeSchemaError(InputError, RecordsWithoutSchemaException):
    """A RECORD came before the SCHEMA of its stream."""


class _Head(msgspec.Struct):
    type: str
    stream: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


class SingerLineReader(GenericSingerReader[bytes]):
    """Read until the input ends or a callback raises a `ConnectorError`.

    A stream with a lane in `lanes` gets its RECORD lines unparsed, many at a time, see the module.
    All other messages are parsed and passed to the SDK's callbacks.

    A `ConnectorError` is kept in `error` and not raised, so that the target can first deliver the
    records that it has read.
    """

    def __init__(
        self,
        *,
        begin: Callable[[], None],
        between_blocks: Callable[[], None],
        around: Callable[[], AbstractContextManager[None]] = nullcontext,
        translating: Callable[[], AbstractContextManager[None]] = nullcontext,
        is_used: Callable[[str], bool] = bool,
        take_too_large: TakeTooLarge,
    ) -> None:
        """Start without lanes. This reads nothing.

        Args:
            begin: Called before the first line is read.
            between_blocks: Called after each block of lines, and about every second while there is
                no input. It may raise to stop the reading.
            around: A context manager around the reading. It sees all errors except
                `ConnectorError`.
            translating: A context manager around the reading that may convert errors of other
                libraries to `ConnectorError`.
            is_used: Returns whether a stream is used. For a stream that is not, a wrong SCHEMA is
                no error. By default all streams with a name are used.
            take_too_large: Takes a RECORD line that is too large to be read, of a stream without a
                lane.
        """
        super().__init__()
        self.lanes: dict[str, Lane] = {}
        self.begin = begin
        self._between_blocks = between_blocks
        self._around, self._translating = around, translating
        self._is_used, self._take_too_large = is_used, take_too_large
        self.error: ConnectorError | None = None
        self.is_empty = True
        """Whether the input had no line so far."""
        self.is_file = False
        """Whether the input is a regular file, and not a pipe from another program."""
        self.with_records: set[str] = set()
        """Streams with at least one RECORD or BATCH message."""
        self._prefix = _NO_PREFIX
        self._lane: Lane = self._no_lane

    @property
    def default_input(self) -> IO[bytes]:
        """Standard input, as bytes."""
        return sys.stdin.buffer

    def process_lines(
        self, file_input: IO[Any] | None, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> Counter[str]:
        """Read all messages.

        Args:
            file_input: Binary or text input. None: standard input.
            callbacks: Message type → the function for the parsed message.

        Returns:
            Message type → the number of messages.
        """
        counts: Counter[str] = Counter()
        source = file_input or self.default_input
        self.is_file = is_regular_file(source)
        with self._around():
            try:
                with self._translating():
                    self._read(source, callbacks, counts)
            except ConnectorError as error:
                self.error = error
        return counts

    def _read(
        self,
        source: IO[Any],
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
        counts: Counter[str],
    ) -> None:
        self.begin()
        for lines in line_blocks(source, while_waiting=self._between_blocks):
            self.is_empty = False
            self._process_block(lines, callbacks, counts)
            self._between_blocks()

    def _process_block(
        self,
        lines: list[bytes],
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
        counts: Counter[str],
    ) -> None:
        position, end = 0, len(lines)
        while position < end:
            line = lines[position]
            # The prefix is that of the last RECORD line, perhaps from the block before.
            if not line.startswith(self._prefix):
                head = self._head(line, counts.total() + 1)
                if head.type in _OF_RECORDS:
                    self.with_records.add(head.stream)
                if head.type != "RECORD" or head.stream not in self.lanes:
                    counts[head.type] += 1
                    self._prefix = _NO_PREFIX
                    self._dispatch(head, line, callbacks)
                    position += 1
                    continue
                self._prefix, self._lane = _common_prefix(line), self.lanes[head.stream]
            # The fast lane: collect all following lines with this prefix, and pass them on in one
            # call. `startswith` is the only work for each line.
            prefix, start = self._prefix, position
            position += 1
            while position < end and lines[position].startswith(prefix):
                position += 1
            counts[SingerMessageType.RECORD.value] += position - start
            self._lane(lines[start:position])

    def _head(self, line: bytes, number: int) -> _Head:
        try:
            return _decode_head(line)
        except UNREADABLE:
            try:
                return msgspec.convert(self._readable_part(line), _Head)
            except (ValueError, msgspec.ValidationError) as error:
                if encoding := _wide_encoding(line):
                    raise InputError(
                        f"Line {number} of the input is {encoding}, and Singer messages are UTF-8. "
                        "PowerShell writes UTF-16 with >: connect the tap by a pipe in cmd or "
                        "Meltano, or convert the file. What came before it was processed."
                    ) from error
                raise InputError(
                    f"Line {number} of the input is not a Singer message: is the tap's standard "
                    "output mixed with something else? What came before it was processed."
                ) from error

    def _readable_part(self, line: bytes) -> dict[str, Any]:
        try:
            return self.deserialize_json(line)
        except TooLargeTextError:
            return self.deserialize_json(without_record(line))

    def _dispatch(
        self, head: _Head, line: bytes, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> None:
        callback = callbacks.get(head.type)
        if callback is None:
            raise InputError(f"The input holds a message of the unknown type {head.type}.")
        try:
            message = self.deserialize_json(line)
        except ValueError as error:
            if isinstance(error, TooLargeTextError) and head.type == "RECORD":
                self._take_too_large(head.stream, line, TooLargeRecordError(head.stream, error))
                return
            raise InputError(
                f"A {head.type} message cannot be read ({error}): fix the tap. What came before it "
                "was processed."
            ) from error
        wrong = _find_wrong_part(head.type, message)
        if wrong and wrong != "stream" and head.type == "SCHEMA" and not self._is_used(head.stream):
            # A mistake in a stream that is not used must not end the run.
            message.update(schema={"properties": {}}, key_properties=[])
        elif wrong:
            of_stream = f" of stream {head.stream}" if head.stream else ""
            raise InputError(
                f"A {head.type} message{of_stream} lacks its {wrong}, or it does not follow the "
                "Singer specification: fix the tap. What came before it was processed."
            )
        callback(message)

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Parse one line, see `decode_line`."""
        return decode_line(line)

    @staticmethod
    def _no_lane(lines: list[bytes]) -> None:
        raise AssertionError(lines)


def _wide_encoding(line: bytes) -> str | None:
    """Return the encoding whose byte order mark or zero bytes a line begins with."""
    marks = b"\xff\xfe\0\0", b"\0\0\xfe\xff"
    if line.startswith(marks) or line[:4].count(0) == _ZEROS_IN_A_LETTER_OF_UTF32:
        return "UTF-32"
    return "UTF-16" if line.startswith((b"\xff\xfe", b"\xfe\xff")) or 0 in line[:2] else None


def _common_prefix(line: bytes) -> bytes:
    """Return the bytes that all RECORD lines of the same stream begin with.

    If the type or the stream comes after the record, a prefix cannot show them, and there is none.
    """
    record = _has_record(line)
    prefix = line[: record.start()] if record else b""
    return prefix if _has_type(prefix) and _has_stream(prefix) else _NO_PREFIX
