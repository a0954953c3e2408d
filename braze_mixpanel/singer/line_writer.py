"""Write Singer messages as compact JSON lines, and whole blocks of RECORD messages at once."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import msgspec
from singer_sdk.singerlib.encoding.base import GenericSingerWriter
from singer_sdk.singerlib.messages import Message, RecordMessage, StateMessage

from braze_mixpanel.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime
    from typing import Any

_encode = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode


def record_lines(ndjson: bytes, stream: str, time_extracted: datetime) -> bytes:
    """Return RECORD lines for NDJSON records, without parsing the records.

    The bytes are the same as those of `LineWriter.serialize_message` for each message.

    Args:
        ndjson: One or more records, each with a newline at its end.
        stream: The name of the stream in the messages.
        time_extracted: The time for all of these records.
    """
    before = b'{"type":"RECORD","stream":' + _encode(stream) + b',"record":'
    after = b',"time_extracted":' + _encode(time_extracted) + b"}\n"
    # JSON escapes newlines, so each newline in NDJSON is the end of a record. One `replace` inserts
    # the end of one message and the beginning of the next message at each newline. So the whole
    # block needs no loop in Python.
    return b"".join((before, ndjson[:-1].replace(b"\n", after + before), after))


class LineWriter(GenericSingerWriter[bytes, Message]):
    """Write messages to standard output. All messages except RECORD are flushed at once."""

    bytes_written = 0
    """The number of bytes written since the start."""
    _state_note: Callable[[], Mapping[str, Any]] | None = None

    def note_in_states(self, make_note: Callable[[], Mapping[str, Any]]) -> None:
        """Add a note to each STATE message from now on.

        Args:
            make_note: Returns what stands beside the value; called for each STATE.
        """
        self._state_note = make_note

    def serialize_message(self, message: Message) -> bytes:
        """Return the message as one line of compact JSON."""
        content = message.to_dict()
        if self._state_note is not None and isinstance(message, StateMessage):
            content.update(self._state_note())
        return _encode(content) + b"\n"

    def write_message(self, message: Message) -> None:
        """Write a message.

        Raises:
            TemporaryError: The reader of standard output is gone, or it cannot be written to.
        """
        self.write_lines(self.format_message(message))
        if not isinstance(message, RecordMessage):
            self.flush()

    def write_lines(self, lines: bytes) -> None:
        """Write whole lines.

        Raises:
            TemporaryError: The reader of standard output is gone, or it cannot be written to.
        """
        self.bytes_written += len(lines)
        with _guarded():
            rest = memoryview(lines)
            while rest:  # with PYTHONUNBUFFERED set, a signal can interrupt a write
                rest = rest[sys.stdout.buffer.write(rest) or 0 :]

    def flush(self) -> None:
        """Flush the buffer of standard output.

        Raises:
            TemporaryError: The reader of standard output is gone, or it cannot be written to.
        """
        with _guarded():
            sys.stdout.buffer.flush()


class UnwrittenLines(LineWriter):
    """A writer that writes nothing. For `--test`, whose output is for people."""

    def write_lines(self, lines: bytes) -> None:
        """Count the bytes."""
        self.bytes_written += len(lines)

    def flush(self) -> None:
        """Do nothing: there is no buffer."""


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        # Python flushes standard output again at exit, and that would raise once more. So standard
        # output now goes to /dev/null.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            raise TemporaryError(
                "The target stopped reading before the tap was done: see the target's message."
            ) from error
        raise TemporaryError(
            f"Standard output cannot be written to ({error.strerror}): make room for it, and run "
            "again."
        ) from error
