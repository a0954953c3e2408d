"""Decompress the codecs that Braze does not use. `block_codecs` imports this module when needed."""

from __future__ import annotations

import bz2
import lzma
import sys
import zlib
from functools import wraps
from typing import TYPE_CHECKING, Final

import cramjam

from tap_braze_currents.formats.bounded_stream import decompress_stream, too_large
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import BLOCK_BYTES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

if TYPE_CHECKING:
    from collections.abc import Callable

_XZ_MEMORY: Final = 192 << 20
"""The strongest preset of xz needs 65 MB to decompress."""
_ZSTD_WINDOW: Final = {int(zstd.DecompressionParameter.window_log_max): 27}
"""A window of 128 MiB, as `zstd` itself allows."""
_CRC_BYTES = 4
_SIZE_BYTES = 4
_SNAPPY_RATIO: Final = 64
_LZ4_RATIO: Final = 256
"""The highest compression ratio that the formats allow, rounded up. A block that claims more is
damaged, and is rejected before memory is allocated for it."""


def _explained(decompress: Callable[[memoryview], bytes]) -> Callable[[memoryview], bytes]:
    """Convert the exceptions of each library to ValueError."""

    @wraps(decompress)
    def explained(payload: memoryview) -> bytes:
        try:
            return decompress(payload)
        except (BrokenFileError, ValueError):
            raise
        except Exception as error:
            raise ValueError(f"{decompress.__name__.strip('_')}: {error}") from error

    return explained


@_explained
def _bzip2(payload: memoryview) -> bytes:
    return decompress_stream(bz2.BZ2Decompressor(), payload)


@_explained
def _xz(payload: memoryview) -> bytes:
    return decompress_stream(lzma.LZMADecompressor(memlimit=_XZ_MEMORY), payload)


@_explained
def _zstandard(payload: memoryview) -> bytes:
    return decompress_stream(zstd.ZstdDecompressor(options=_ZSTD_WINDOW), payload)


@_explained
def _snappy(payload: memoryview) -> bytes:
    """Decompress a raw snappy block, followed by the CRC-32 of the decompressed data."""
    compressed, checksum = payload[:-_CRC_BYTES], payload[-_CRC_BYTES:]
    _check_claim(cramjam.snappy.decompress_raw_len(compressed), compressed, _SNAPPY_RATIO)
    data = bytes(cramjam.snappy.decompress_raw(compressed))
    if zlib.crc32(data) != int.from_bytes(checksum, "big"):
        raise ValueError("snappy: the checksum is not that of the data")
    return data


@_explained
def _lz4(payload: memoryview) -> bytes:
    """Decompress a raw LZ4 block that follows its decompressed size.

    The Avro specification does not define this codec, but fastavro and other programs write it.
    """
    _check_claim(int.from_bytes(payload[:_SIZE_BYTES], "little"), payload, _LZ4_RATIO)
    return bytes(cramjam.lz4.decompress_block(payload))


def _check_claim(size: int, payload: memoryview, ratio: int) -> None:
    """Check the decompressed size that a payload claims, before the memory is allocated."""
    if size > BLOCK_BYTES:
        raise too_large()
    if size > ratio * (len(payload) + 1):
        raise ValueError(f"{len(payload)} bytes cannot hold {size}")


DECOMPRESSORS: Final[dict[str, Callable[[memoryview], bytes]]] = {
    "bzip2": _bzip2,
    "lz4": _lz4,
    "snappy": _snappy,
    "xz": _xz,
    "zstandard": _zstandard,
}
