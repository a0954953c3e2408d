"""Reads JSON as taps really write it, and keeps every readable part of a text."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NESTED: Final = 100
"""Deeper levels are cut off: functions that read, write or search JSON are recursive."""
CUT_OFF: Final = b'"(nested too deep)"'
MOST_DIGITS: Final = 4300
"""Python does not read longer integers."""
MOST_BRACKETS: Final = 500_000
"""Objects and lists in one text: each takes thirty times the memory of its brackets."""
MOST_LENIENT_BYTES: Final = 16 << 20
MOST_ESCAPES: Final = 500_000
"""Bounds on what is read leniently: Python's own parser takes much memory, above all for escapes.
Strict JSON has no such bound."""
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of the strict parser after which the lenient one may still succeed."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Windows programs begin a file with it, and joining tools add one more."""

_decode = msgspec.json.Decoder().decode
# A text that never ends matches all the same. If it did not, the search would begin again at each
# quote in it, which takes time that grows with the square of its length. The number in braces is a
# bound on memory: the search remembers each repetition, a hundred bytes for an escape of two.
_INSIDE: Final = rb'[^"\\]*(?:\\.[^"\\]*){0,500}'
_find_tokens = re.compile(rb'"' + _INSIDE + rb'("|\\?\Z)?|[\[\]{}]', re.DOTALL).finditer
_match_inside = re.compile(_INSIDE, re.DOTALL).match


def json_tokens(text: bytes | memoryview, start: int = 0) -> Iterator[re.Match[bytes]]:
    """Yield the brackets and texts of JSON, which need not be whole or correct.

    Args:
        text: In UTF-8.
        start: Where to begin, outside of a text.

    Yields:
        Each bracket, and each text but those with more escapes than a search remembers.
    """
    position: int | None = start
    while position is not None:
        first, position = position, None
        for found in _find_tokens(text, first):
            if found[1] is None and found[0][:1] == b'"':
                position = _end_of_text(text, found.end())
                break
            yield found


def _end_of_text(text: bytes | memoryview, position: int) -> int:
    """Find the end of a text from a place inside it, at which no escape is open."""
    while inside := _match_inside(text, position):
        if text[inside.end() : inside.end() + 1] == b'"':
            return inside.end() + 1
        if inside.end() == position:
            break
        position = inside.end()
    return len(text)


class TooLargeTextError(ValueError):
    """A text is beyond `MOST_BRACKETS`, or beyond the bounds on what is read leniently."""


def decode_leniently(text: bytes) -> object:
    """Parse JSON, strictly where possible.

    Text that is not valid Unicode (half of an emoji, as JavaScript cuts strings) has the broken
    character replaced. NaN and numbers that are too large become null. Levels deeper than
    `MOST_NESTED` are cut off. All this is better than losing the record.

    Raises:
        TooLargeTextError: It would take too much memory.
        ValueError: It is not JSON.
    """
    brackets = text.count(b"[") + text.count(b"{")
    if brackets > MOST_BRACKETS:
        raise TooLargeTextError("more objects and lists than fit into memory")
    if brackets > MOST_NESTED:
        text = _without_depths(text)
    try:
        return _decode(text)
    except UNREADABLE:
        return _decode(strict_json(text))


def strict_json(text: bytes) -> bytes:
    """Rewrite JSON without what strict JSON forbids.

    Raises:
        TooLargeTextError: It is too large to be read in this way.
        ValueError: It is not JSON.
    """
    if len(text) > MOST_LENIENT_BYTES or text.count(b"\\") > MOST_ESCAPES:
        raise TooLargeTextError("no strict JSON, and too large to be read leniently")
    value = json.loads(
        without_marks(text).decode("utf-8", "replace"),
        strict=False,
        parse_constant=lambda _: None,
        parse_float=_finite,
        parse_int=lambda digits: int(digits) if len(digits) <= MOST_DIGITS else None,
    )
    written = json.dumps(value, ensure_ascii=False)
    # This joins two surrogates that form a pair, and replaces single ones.
    return written.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()


def without_marks(text: bytes) -> bytes:
    """Return a text without the byte order marks that it begins with."""
    start = 0
    while text.startswith(BYTE_ORDER_MARK, start):
        start += len(BYTE_ORDER_MARK)
    return text[start:]


def _finite(digits: str) -> float | None:
    number = float(digits)
    return number if math.isfinite(number) else None


def _without_depths(text: bytes) -> bytes:
    """Replace each object or array that is deeper than `MOST_NESTED` by a fixed text."""
    parts, depth, resume = [], 0, 0
    for token in json_tokens(text):
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
