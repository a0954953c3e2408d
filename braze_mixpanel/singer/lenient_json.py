"""JSON as taps really write it: what can be read of a text is read."""

from __future__ import annotations

import json
import math
import re
from typing import Final

import msgspec

MOST_NESTED: Final = 100
"""What lies deeper is cut off: reading and writing JSON, and looking through it, is recursive."""
CUT_OFF: Final = b'"(nested too deep)"'
MOST_DIGITS: Final = 4300
"""Python reads no longer integers."""
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What the strict way raises where the lenient one may still find something."""

_decode = msgspec.json.Decoder().decode
_find_tokens = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|[\[\]{}]').finditer


def decode_leniently(text: bytes) -> object:
    """Parse JSON, strictly if that is possible.

    Text that is not valid Unicode (half of an emoji, as JavaScript cuts strings) has the broken
    character replaced; NaN and numbers beyond all measure are null; what is nested deeper than
    `MOST_NESTED` is cut off: better than to lose the record.

    Raises:
        ValueError: It is no JSON at all.
    """
    if text.count(b"[") + text.count(b"{") > MOST_NESTED:
        text = _without_depths(text)
    try:
        return _decode(text)
    except UNREADABLE:
        return _decode(strict_json(text))


def strict_json(text: bytes) -> bytes:
    """Write JSON anew, without what strict JSON forbids.

    Raises:
        ValueError: It is no JSON at all.
    """
    value = json.loads(
        text.decode("utf-8", "replace"),
        strict=False,
        parse_constant=lambda _: None,
        parse_float=_finite,
        parse_int=lambda digits: int(digits) if len(digits) <= MOST_DIGITS else None,
    )
    written = json.dumps(value, ensure_ascii=False)
    # Halves of a pair that belong together are joined by this, the others replaced.
    return written.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _without_depths(text: bytes) -> bytes:
    """Put a word in the place of each object or array that lies deeper than `MOST_NESTED`."""
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
