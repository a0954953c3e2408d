"""Avro's codecs, each with a bound: decompression stops as soon as a block grows too large.

`deflate` is what Braze writes; the others come from tools that copy or rewrite files.
Source: the Avro 1.12 specification, "Required Codecs" and "Optional Codecs".
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Final, Protocol

from isal import isal_zlib

from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import BLOCK_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable

RAW_DEFLATE: Final = -15
"""Window bits: no header and no checksum around the data."""
_RARE: Final = frozenset({"snappy", "zstandard", "bzip2", "xz", "lz4"})


class Stream(Protocol):
    """Decompresses one stream, as the standard library's classes do."""

    @property
    def eof(self) -> bool:
        """Whether the end of the stream was reached."""

    def decompress(self, data: memoryview, max_length: int, /) -> bytes:
        """Return at most so many bytes."""


def decompressor(codec: str) -> Callable[[memoryview], bytes]:
    """Return what decompresses a block's payload.

    The returned function raises ValueError for damaged bytes, and BrokenFileError for a block
    that grows beyond `BLOCK_BYTES`.

    Args:
        codec: `avro.codec` of the file's header.

    Raises:
        BrokenFileError: The codec is unknown.
    """
    if codec == "null":
        return bytes
    if codec == "deflate":
        return _inflate
    if codec not in _RARE:
        raise BrokenFileError(f"its codec {codec[:40]} is unknown")
    # The libraries of the others are loaded only for a file that needs one.
    rare = importlib.import_module("tap_braze_currents.formats.rare_codecs")
    found: Callable[[memoryview], bytes] = rare.DECOMPRESSORS[codec]
    return found


def decompress_stream(stream: Stream, payload: memoryview) -> bytes:
    """Decompress a payload that is one stream.

    Raises:
        BrokenFileError: It grows beyond `BLOCK_BYTES`.
        ValueError: It ends too early.
    """
    data = stream.decompress(payload, BLOCK_BYTES + 1)
    if len(data) > BLOCK_BYTES:
        raise too_large()
    if not stream.eof:
        raise ValueError("the compressed data end too early")
    return data


def too_large() -> BrokenFileError:
    """Return the error of a block that is larger than the limit."""
    return BrokenFileError(f"a block is larger than {BLOCK_BYTES >> 20} MiB when decompressed")


def _inflate(payload: memoryview) -> bytes:
    try:
        return decompress_stream(isal_zlib.decompressobj(RAW_DEFLATE), payload)
    except (BrokenFileError, ValueError):
        raise
    except Exception as error:  # isal's own class cannot be named in a typed `except`
        raise ValueError(f"deflate: {error}") from error
