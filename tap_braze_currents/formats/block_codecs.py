"""Decompress Avro blocks. Decompression stops when a block becomes larger than the limit.

Braze writes `deflate`. The other codecs come from tools that copy or rewrite files.
Source: the Avro 1.12 specification, "Required Codecs" and "Optional Codecs".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from isal import isal_zlib

from tap_braze_currents.formats.bounded_stream import decompress_stream
from tap_braze_currents.formats.errors import BrokenFileError

if TYPE_CHECKING:
    from collections.abc import Callable

RAW_DEFLATE: Final = -15
"""Window bits: no header and no checksum around the data."""
_RARE: Final = frozenset({"snappy", "zstandard", "bzip2", "xz", "lz4"})


def decompressor(codec: str) -> Callable[[memoryview], bytes]:
    """Return what decompresses a block's payload.

    The returned function raises ValueError for damaged bytes, and BrokenFileError for a block
    that grows beyond `limits.BLOCK_BYTES`.

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
    # The libraries of the other codecs are loaded only when a file needs them.
    from tap_braze_currents.formats.rare_codecs import DECOMPRESSORS  # noqa: PLC0415

    return DECOMPRESSORS[codec]


def _inflate(payload: memoryview) -> bytes:
    try:
        return decompress_stream(isal_zlib.decompressobj(RAW_DEFLATE), payload)
    except (BrokenFileError, ValueError):
        raise
    except Exception as error:  # the type stubs of isal do not export its error class
        raise ValueError(f"deflate: {error}") from error
