"""Read JSON that is not strictly valid, as some taps write it, and keep all readable parts."""

from __future__ import annotations

import json
import math
import re
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

MOST_NESTED: Final = 100
"""The most levels of nesting. Deeper levels are cut off, because JSON functions are recursive."""
CUT_OFF: Final = b'"(nested too deep)"'
MOST_DIGITS: Final = 4300
"""The most digits of an integer. Python does not parse longer integers."""
MOST_BRACKETS: Final = 500_000
"""The most objects and lists in one text. Each takes 30 times the memory of its brackets."""
MOST_LENIENT_BYTES: Final = 16 << 20
MOST_ESCAPES: Final = 500_000
"""Bounds for lenient parsing only: Python's parser takes much memory, above all for escapes."""
UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""Errors of the strict parser after which the lenient one may still succeed."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
"""Windows programs write it at the beginning of a file, and tools that join files once more."""

_decode = msgspec.json.Decoder().decode
# The pattern also matches a string without a closing quote. Otherwise the search would start again
# at each quote in it, and the time would grow with the square of the length. The number in braces
# bounds the memory: the search stores about a hundred bytes for each repetition.
_INSIDE: Final = rb'[^"\\]*(?:\\.[^"\\]*){0,500}'
_find_tokens = re.compile(rb'"' + _INSIDE + rb'("|\\?\Z)?|[\[\]{}]', re.DOTALL).finditer
_match_inside = re.compile(_INSIDE, re.DOTALL).match


def json_tokens(text: bytes | memoryview, start: int = 0) -> Iterator[re.Match[bytes]]:
    """Yield the brackets and strings of JSON. The JSON may be cut off or wrong.

    Args:
        text: JSON in UTF-8.
        start: The position to start at, outside of a string.

    Yields:
        All brackets and strings, except for strings with very many escapes.
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
    """Return the end of a string, from a position inside of it that is not inside of an escape."""
    while inside := _match_inside(text, position):
        if text[inside.end() : inside.end() + 1] == b'"':
            return inside.end() + 1
        if inside.end() == position:
            break
        position = inside.end()
    return len(text)


class TooLargeTextError(ValueError):
    """A text is beyond `MOST_BRACKETS`, or beyond the limits of lenient parsing."""


def decode_leniently(text: bytes) -> object:
    """Return parsed JSON. If it is not strictly valid, replace the wrong parts.

    Broken Unicode characters are replaced (JavaScript may cut an emoji in half). NaN and numbers
    that are too large become null. Levels deeper than `MOST_NESTED` are cut off. Without this, the
    whole record would be lost.

    Raises:
        TooLargeTextError: The text would need too much memory.
        ValueError: The text is not JSON.
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
    """Return JSON as strict JSON, with the forbidden parts replaced.

    Raises:
        TooLargeTextError: The text is too large for lenient parsing.
        ValueError: The text is not JSON.
    """
    if len(text) > MOST_LENIENT_BYTES or text.count(b"\\") > MOST_ESCAPES:
        raise TooLargeTextError("not strict JSON, and too large to be read leniently")
    value = json.loads(
        without_marks(text).decode("utf-8", "replace"),
        strict=False,
        parse_constant=lambda _: None,
        parse_float=_finite,
        parse_int=lambda digits: int(digits) if len(digits) <= MOST_DIGITS else None,
    )
    written = json.dumps(value, ensure_ascii=False)
    # Encoding and decoding joins the two surrogates of a pair, and replaces single surrogates.
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
    """Return JSON with each object or array deeper than `MOST_NESTED` replaced by a fixed text."""
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
