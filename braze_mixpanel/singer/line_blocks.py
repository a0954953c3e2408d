"""Read Singer input in blocks of complete lines, also if the tap was stopped or crashed."""

from __future__ import annotations

import fcntl
import io
import os
import select
import stat
import time
from collections import Counter
from contextlib import suppress
from typing import IO, TYPE_CHECKING, Any

from braze_mixpanel.errors import InputError
from braze_mixpanel.lenient_json import (
    BYTE_ORDER_MARK,
    TooLargeTextError,
    decode_leniently,
    json_tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

BLOCK_BYTES = 1 << 20
"""The most bytes of one read. It returns as soon as there are any bytes."""
WAIT_SECONDS = 1.0
MOST_LINE_BYTES = 64 << 20
"""The most bytes of a line. The whole line is in memory, and no event is longer."""


def line_blocks(
    source: IO[Any],
    *,
    name: str = "The input",
    while_waiting: Callable[[], None] | None = None,
) -> Iterator[list[bytes]]:
    """Yield complete lines, many at a time, without blank lines (also in files with CRLF).

    A last line without a newline is accepted if it is complete JSON: many files end so.

    Args:
        source: Binary or text input. Binary input is read without waiting for a full block.
        name: The name of the input, for errors.
        while_waiting: Called about every second while a pipe or socket has no data. It may raise to
            stop the reading.

    Yields:
        Lists of lines without their newline.

    Raises:
        InputError: The input ended in the middle of a line, or a line is longer than
            `MOST_LINE_BYTES`. All lines before it were yielded.
    """
    begun: list[bytes] = []
    begun_bytes = 0
    is_first = True
    for block in _blocks(source, while_waiting):
        head, newline, tail = block.rpartition(b"\n")
        if not newline:
            begun.append(block)
            begun_bytes += len(block)
            if begun_bytes > MOST_LINE_BYTES:
                raise InputError(
                    f"{name} holds a line of more than {MOST_LINE_BYTES >> 20} MiB: split it in "
                    "the tap. Everything before that line was processed."
                )
            continue
        lines = b"".join((*begun, head)).split(b"\n")
        begun = [tail] if tail else []
        begun_bytes = len(tail)
        if is_first:
            lines[0], is_first = _without_marks(lines[0]), False
        is_clean = b"" not in lines and b"\r" not in lines
        yield lines if is_clean else [line for line in lines if line.strip()]
    rest = _without_marks(b"".join(begun)) if is_first else b"".join(begun)
    if rest.strip():
        if not _is_whole(rest):
            raise InputError(
                f"{name} ended in the middle of a line, after {len(rest)} bytes of it: the tap "
                "was stopped or crashed. Everything before that line was processed; run it again."
            )
        yield [rest]


def _without_marks(line: bytes) -> bytes:
    """Cut off byte order marks, even if nothing but them is in the input's first line."""
    while line.startswith(BYTE_ORDER_MARK):
        line = line.removeprefix(BYTE_ORDER_MARK)
    return line


def _blocks(source: IO[Any], while_waiting: Callable[[], None] | None) -> Iterator[bytes]:
    binary = getattr(source, "buffer", source)
    if isinstance(binary, io.TextIOBase):
        while text := binary.read(BLOCK_BYTES):
            yield text.encode()
        return
    read = getattr(binary, "read1", binary.read)
    pipe = _pipe_descriptor(binary) if while_waiting else None
    # One buffer for all reads: a new buffer for each short read would fragment the heap.
    buffer = memoryview(bytearray(BLOCK_BYTES if pipe is not None else 0))
    while True:
        while pipe is not None and while_waiting and not _is_readable(pipe):
            while_waiting()
        block = bytes(buffer[: os.readv(pipe, [buffer])]) if pipe is not None else read(BLOCK_BYTES)
        if not block:
            return
        yield block


def _pipe_descriptor(source: IO[bytes]) -> int | None:
    """Return the descriptor of a pipe or socket, or None for files and input in memory."""
    try:
        descriptor = source.fileno()
    except (OSError, AttributeError):
        return None
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISFIFO(mode):
        _widen(descriptor)
    return descriptor if stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) else None


def _widen(pipe: int) -> None:
    """Enlarge the buffer of a pipe, so that the tap waits less often. Only Linux supports this."""
    if set_size := getattr(fcntl, "F_SETPIPE_SZ", None):
        with suppress(OSError):
            fcntl.fcntl(pipe, set_size, BLOCK_BYTES)


def _is_readable(descriptor: int) -> bool:
    return bool(select.select([descriptor], [], [], WAIT_SECONDS)[0])


def _is_whole(line: bytes) -> bool:
    try:
        decode_leniently(line)
    except TooLargeTextError:
        marks = Counter(token[0] for token in json_tokens(line) if token[0] in b"[{}]")
        return marks[b"{"] == marks[b"}"] > 0 and marks[b"["] == marks[b"]"]
    except ValueError:
        return False
    return True


def is_pipe(source: IO[Any]) -> bool:
    """Return whether the input is a pipe or socket."""
    return _pipe_descriptor(source) is not None


def is_regular_file(source: IO[Any]) -> bool:
    """Return whether the input is a file on a disk."""
    try:
        return stat.S_ISREG(os.fstat(source.fileno()).st_mode)
    except (OSError, ValueError, AttributeError):
        return False


def discard(source: IO[Any], seconds: float) -> None:
    """Read and drop the rest of a pipe, so that the program that writes to it can end normally.

    Args:
        source: The input. Nothing happens unless it is a pipe or socket.
        seconds: The most seconds to wait for the end of the input.
    """
    pipe = _pipe_descriptor(source)
    if pipe is None:
        return
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        if select.select([pipe], [], [], left)[0] and not os.read(pipe, BLOCK_BYTES):
            return
