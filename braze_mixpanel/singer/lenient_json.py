"""Reads JSON as taps really write it: whatever part of a text is readable is kept."""

from __future__ import annotations

import json
import math
import re
from typing import Final

import msgspec

MOST_NESTED: Final = 100
"""Deeper levels are cut off: functions that read, write or search JSON are recursive."""
CUT_OFF: Final = b'"(nested too deep)"'
MOST_DIGITS: Final = 4300
"""Python does not read longer integers."""
MOST_LENIENT_BYTES: Final = 16 << 20
MOST_ESCAPES: Final = 500_000
"""Bounds on what is read leniently: Python's own parser takes much memory, above all for escapes.
Strict JSON has no such bound."""
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of the strict parser after which the lenient one may still succeed."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Windows programs begin a file with it."""

_decode = msgspec.json.Decoder().decode
# A text that never ends matches up to the end of the line. If it did not match, the search would
# begin again at each quote in it, which takes time that grows with the square of its length.
_find_tokens = re.compile(rb""""[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z)|[\[\]{}]""", re.DOTALL).finditer


def decode_leniently(text: bytes) -> object:
    """Parse JSON, strictly where possible.

    Text that is not valid Unicode (half of an emoji, as JavaScript cuts strings) has the broken
    character replaced. NaN and numbers that are too large become null. Levels deeper than
    `MOST_NESTED` are cut off. All this is better than losing the record.

    Raises:
        ValueError: It is not JSON.
    """
    if text.count(b"[") + text.count(b"{") > MOST_NESTED:
        text = _without_depths(text)
    try:
        return _decode(text)
    except UNREADABLE:
        return _decode(strict_json(text))


def strict_json(text: bytes) -> bytes:
    """Rewrite JSON without what strict JSON forbids.

    Raises:
        ValueError: It is not JSON, or too large to be read in this way.
    """
    if len(text) > MOST_LENIENT_BYTES or text.count(b"\\") > MOST_ESCAPES:
        raise ValueError("no strict JSON, and too large to be read leniently")
    value = json.loads(
        text.removeprefix(BYTE_ORDER_MARK).decode("utf-8", "replace"),
        strict=False,
        parse_constant=lambda _: None,
        parse_float=_finite,
        parse_int=lambda digits: int(digits) if len(digits) <= MOST_DIGITS else None,
    )
    written = json.dumps(value, ensure_ascii=False)
    # This joins two surrogates that form a pair, and replaces single ones.
    return written.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _without_depths(text: bytes) -> bytes:
    """Replace each object or array that is deeper than `MOST_NESTED` by a fixed text."""
    parts, depth, resume = [], 0, 0
    for token in _find_tokens(text):
        mark = token[0]
        if mark in b"[{":
            depth += 1
            if depth == MOST_NESTED + 1:
                parts += [text[resume : token.start()], CUT_OFF]
                resume = len(text)
        elif mark in b"]}":
            if depth == MOST_NESTED + 1:
                resume = token.end()
            depth -= 1
    return b"".join((*parts, text[resume:]))
