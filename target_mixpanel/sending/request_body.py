"""Pack and unpack the body of a request to `/import`: a JSON array of events, gzipped."""

from __future__ import annotations

from typing import Final

import msgspec
from isal import isal_zlib

_COMPRESSION_LEVEL: Final = 1
"""Level 1 of isal gives half the bytes of level 0, in a tenth of the time of gzip's level 6."""
_GZIP: Final = 31
"""The value of `wbits` that adds a gzip header."""
_PIECE_BYTES: Final = 64 << 10

_decode_events = msgspec.json.Decoder(list[msgspec.Raw]).decode


def pack(events: bytes) -> bytes:
    """Return the body of a request.

    Args:
        events: The JSON of the events, one on each line. No event contains a newline.
    """
    # Newlines become commas piece by piece: a full copy in each of dozens of threads would take
    # much memory.
    packer = isal_zlib.compressobj(_COMPRESSION_LEVEL, isal_zlib.DEFLATED, _GZIP)
    packed = [packer.compress(b"[")]
    for start in range(0, len(events), _PIECE_BYTES):
        piece = events[start : start + _PIECE_BYTES]
        packed.append(packer.compress(piece.replace(b"\n", b",")))
    packed += [packer.compress(b"]"), packer.flush()]
    return b"".join(packed)


def unpack(body: bytes) -> list[bytes]:
    """Return the JSON of each event in a body from `pack`."""
    return [bytes(event) for event in _decode_events(isal_zlib.decompress(body, _GZIP))]
