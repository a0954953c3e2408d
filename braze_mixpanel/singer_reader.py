"""Singer messages for the targets: read in blocks, with a fast lane for records."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import IO, Any

import msgspec
from singer_sdk.exceptions import RecordsWithoutSchemaException
from singer_sdk.singerlib.encoding.base import GenericSingerReader, SingerMessageType
from singer_sdk.singerlib.exceptions import InvalidInputLine

from braze_mixpanel.errors import ConnectorError, InputError
from braze_mixpanel.singer_lines import line_blocks

Lane = Callable[[list[bytes]], None]
_NO_PREFIX = b"\n"
"""No line begins with it."""
_decode = msgspec.json.Decoder().decode


def decode_line(line: bytes) -> dict[str, Any]:
    """Parse the JSON object of one line.

    Text that is not valid Unicode (half of an emoji, as JavaScript cuts strings) has the broken
    character replaced, and NaN is null: better than to lose the record.

    Raises:
        ValueError: It is no JSON at all.
    """
    try:
        value: dict[str, Any] = _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError):
        lenient = json.loads(line.decode("utf-8", "replace"), parse_constant=lambda _: None)
        value = _decode(json.dumps(lenient, ensure_ascii=False).encode("utf-8", "replace"))
    return value


class RecordBeforeSchemaError(InputError, RecordsWithoutSchemaException):
    """A stream's RECORD came before its SCHEMA."""


class _Head(msgspec.Struct):
    type: str
    stream: str = ""


_decode_head = msgspec.json.Decoder(_Head).decode


class SingerLineReader(GenericSingerReader[bytes]):
    """Reads until the input ends or `stop` is set.

    A stream with a lane in `lanes` has its RECORD lines handed over as they are, many at a time:
    lines of one stream begin alike up to their record, so that one comparison tells whose a line
    is. All other messages are parsed and go to the SDK's callbacks.

    A foreseeable error ends the reading and is kept in `error`, so that the target can first bring
    what came before it to its end.
    """

    def __init__(self) -> None:
        """Start without lanes."""
        super().__init__()
        self.lanes: dict[str, Lane] = {}
        self.begin: Callable[[], None] = lambda: None
        """Called before the first line is read."""
        self.between_blocks: Callable[[], None] = lambda: None
        """Called after each block of lines, and about every second while none comes."""
        self.around: Callable[[], AbstractContextManager[None]] = nullcontext
        """Surrounds the reading; sees only errors that are not foreseeable."""
        self.stop = False
        self.error: ConnectorError | None = None
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
            file_input: Binary or text; standard input if None.
            callbacks: Message type → what takes the parsed message.

        Returns:
            How many messages of each type there were.
        """
        counts: Counter[str] = Counter()
        source = file_input or self.default_input
        with self.around():
            try:
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
        for lines in line_blocks(source, while_waiting=self.between_blocks):
            if self.stop:
                break
            self._process_block(lines, callbacks, counts)
            self.between_blocks()

    def _process_block(
        self,
        lines: list[bytes],
        callbacks: dict[str, Callable[[dict[str, Any]], None]],
        counts: Counter[str],
    ) -> None:
        position, end = 0, len(lines)
        while position < end:
            line = lines[position]
            if not line.startswith(self._prefix):
                head = self._head(line, counts.total() + 1)
                if head.type != "RECORD" or head.stream not in self.lanes:
                    counts[head.type] += 1
                    self._prefix = _NO_PREFIX
                    self._dispatch(head, line, callbacks)
                    position += 1
                    continue
                self._prefix, self._lane = _common_prefix(line), self.lanes[head.stream]
            prefix, start = self._prefix, position
            position += 1
            while position < end and lines[position].startswith(prefix):
                position += 1
            counts[SingerMessageType.RECORD.value] += position - start
            self._lane(lines[start:position])

    def _head(self, line: bytes, number: int) -> _Head:
        try:
            return _decode_head(line)
        except (msgspec.DecodeError, msgspec.ValidationError):
            try:
                return msgspec.convert(self.deserialize_json(line), _Head)
            except (ValueError, msgspec.ValidationError) as error:
                raise InputError(
                    f"Line {number} of the input is not a Singer message: is the tap's standard "
                    "output mixed with something else? What came before it was processed."
                ) from error

    def _dispatch(
        self, head: _Head, line: bytes, callbacks: dict[str, Callable[[dict[str, Any]], None]]
    ) -> None:
        callback = callbacks.get(head.type)
        if callback is None:
            raise InputError(f"The input holds a message of the unknown type {head.type}.")
        try:
            callback(self.deserialize_json(line))
        except InvalidInputLine as error:
            raise InputError(
                f"A {head.type} message of stream {head.stream or '(none)'} lacks a part that the "
                "Singer specification requires. What came before it was processed."
            ) from error

    def deserialize_json(self, line: bytes) -> dict[str, Any]:
        """Parse one line, see `decode_line`."""
        return decode_line(line)

    @staticmethod
    def _no_lane(lines: list[bytes]) -> None:
        raise AssertionError(lines)


def _common_prefix(line: bytes) -> bytes:
    """Return what all RECORD lines of the same stream begin with, as this tap writes them."""
    prefix = line[: line.find(b'"record"')]
    return prefix if b'"type"' in prefix and b'"stream"' in prefix else _NO_PREFIX
