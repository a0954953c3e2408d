"""Detect the format of a file from its content.

The name is no proof of the format: people and tools copy, rename, compress and rewrite files.
"""

from __future__ import annotations

import re
import zlib
from typing import Final

from isal import isal_zlib

from tap_braze_currents.formats.avro_container import MAGIC
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import UNZIPPED_BYTES

_GZIP_MAGIC: Final = b"\x1f\x8b"
_ANY_GZIP: Final = zlib.MAX_WBITS + 16
_WIDE: Final = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
"""UTF-32 first: the mark of its little-endian form begins with that of UTF-16."""
_MARK: Final = "\ufeff"
_MARKS: Final = re.compile(rb"(?:[ \t\r\n]*\xef\xbb\xbf){0,100}")
_JSON_BEGINS: Final = (b"{", b"[")
_FIRST: Final = ("{", "[", " ", "\t", "\r", "\n")
_HEAD = 4096
_FIRST_PIECE = 1 << 10
_PIECE = 4 << 20


def is_gzip(head: bytes | memoryview) -> bool:
    """Return whether a file is gzipped, by its first bytes."""
    return head[: len(_GZIP_MAGIC)] == _GZIP_MAGIC


def is_avro(head: bytes | memoryview) -> bool:
    """Return whether a file is an Avro container, by its first bytes."""
    return head[: len(MAGIC)] == MAGIC


def is_json(data: memoryview) -> bool:
    """Return whether a file in UTF-8 is empty or begins with a JSON object or list."""
    head = bytes(data[:_HEAD]).lstrip()
    return head.startswith(_JSON_BEGINS) or not (head or data[_HEAD:])


def unzipped(content: bytes | memoryview) -> memoryview:
    """Return the content, decompressed if it is gzipped.

    Raises:
        BrokenFileError: The content cannot be decompressed, or is larger than `UNZIPPED_BYTES`.
    """
    rest = memoryview(content)
    if not is_gzip(rest):
        return rest
    data = bytearray()
    while is_gzip(rest):  # a gzip file may hold several members, one after the other
        try:
            rest = rest[_unzip_one(rest, data) :]
        except BrokenFileError:
            raise
        except Exception as error:  # the type stubs of isal do not export its error class
            raise BrokenFileError(f"it cannot be unzipped ({error})") from error
    if any(rest):  # zeros are allowed: some tools pad files with them
        raise BrokenFileError("it cannot be unzipped (other bytes follow)")
    return memoryview(data)


def _unzip_one(zipped: memoryview, data: bytearray) -> int:
    """Decompress one gzip member into `data`, and return its compressed size in bytes.

    The input is passed in pieces of growing size. The decompressor copies the input that follows
    the member into `unused_data`, so with large pieces, a file of many small members would take
    quadratic time.
    """
    stream = isal_zlib.decompressobj(_ANY_GZIP)
    position, size = 0, _FIRST_PIECE
    piece: bytes | memoryview = b""
    while not stream.eof:
        if not piece:
            piece = zipped[position : position + size]
            position, size = position + len(piece), min(2 * size, _PIECE)
        unzipped = stream.decompress(piece, _PIECE)
        if not piece and not unzipped:
            raise BrokenFileError("it cannot be unzipped (it ends too early)")
        data += unzipped
        if len(data) > UNZIPPED_BYTES:
            raise BrokenFileError(f"it is larger than {UNZIPPED_BYTES >> 20} MiB when unzipped")
        piece = stream.unconsumed_tail
    return position - len(stream.unused_data)


def in_utf8(data: memoryview) -> memoryview:
    """Return JSON text in UTF-8, without the marks that some programs put before it.

    UTF-16 and UTF-32 (PowerShell writes them) are recognised by their marks, or by the zeros
    beside the first character. What is broken in them costs a character.
    """
    for encoding in _WIDE:
        begins = [begin.encode(encoding) for begin in (_MARK, *_FIRST)]
        if bytes(data[: len(begins[0])]) in begins:
            data = memoryview(str(data, encoding, "replace").encode())
            break
    found = _MARKS.match(data)
    return data[found.end() :] if found else data
