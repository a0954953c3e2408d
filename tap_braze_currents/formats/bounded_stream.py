"""Decompresses one stream of any library with a bound: a block cannot grow beyond it."""

from __future__ import annotations

from typing import Protocol

from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import BLOCK_BYTES


class Stream(Protocol):
    """A decompressor object with the interface of the standard library's classes."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream has been reached."""

    def decompress(self, data: memoryview, max_length: int, /) -> bytes:
        """Return at most `max_length` bytes."""


def decompress_stream(stream: Stream, payload: memoryview) -> bytes:
    """Decompress a payload that is one compressed stream.

    Raises:
        BrokenFileError: The result is larger than `BLOCK_BYTES`.
        ValueError: The payload ends too early.
    """
    # One byte more than the limit is enough to see that the block is too large.
    data = stream.decompress(payload, BLOCK_BYTES + 1)
    if len(data) > BLOCK_BYTES:
        raise too_large()
    if not stream.eof:
        raise ValueError("the compressed data end too early")
    return data


def too_large() -> BrokenFileError:
    """Return the error of a block that is larger than the limit."""
    return BrokenFileError(f"a block is larger than {BLOCK_BYTES >> 20} MiB when decompressed")
