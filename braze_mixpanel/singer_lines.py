"""Singer input as blocks of whole lines, whatever way the tap before us ended."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterator

BLOCK_BYTES = 1 << 20
"""How much is asked of the pipe at once; a read returns as soon as there is anything."""


def line_blocks(source: IO[Any]) -> Iterator[list[bytes]]:
    """Read complete lines, many at a time.

    A last line without a newline counts when it is whole JSON: files are often written so.

    Args:
        source: Binary or text input; binary is read without waiting for a full block.

    Yields:
        Non-empty lists of lines without their newline; blank lines are left out.

    Raises:
        InputError: The input ended in the middle of a line, raised after all before it was given.
    """
    rest = b""
    for block in _blocks(source):
        lines = (rest + block).split(b"\n") if rest else block.split(b"\n")
        rest = lines.pop()
        if lines:
            yield [line for line in lines if line] if b"" in lines else lines
    if rest.strip():
        if not _is_whole(rest):
            raise InputError(
                f"The input ended in the middle of a line, after {len(rest)} bytes of it: the tap "
                "was stopped or crashed. Everything before that line was processed; run it again."
            )
        yield [rest]


def _blocks(source: IO[Any]) -> Iterator[bytes]:
    binary = getattr(source, "buffer", source)
    if isinstance(binary, io.TextIOBase):
        while text := binary.read(BLOCK_BYTES):
            yield text.encode()
        return
    read = getattr(binary, "read1", binary.read)
    while block := read(BLOCK_BYTES):
        yield block


def _is_whole(line: bytes) -> bool:
    try:
        msgspec.json.decode(line)
    except msgspec.DecodeError:
        return False
    return True
