"""Finds a secret in every spelling that a server or a library gives it. Pure.

A server repeats what it was sent as it read or logged it: from the header in Base64, as JSON in
JSON, as HTML, percent-encoded.
"""

from __future__ import annotations

import functools
import html
import json
import re
from base64 import b64encode
from typing import TYPE_CHECKING, Final
from urllib.parse import quote, quote_plus

if TYPE_CHECKING:
    from collections.abc import Iterator

_SHORTEST_IN_BASE64: Final = 8
"""Fewer characters of Base64 could stand in any word."""
_percent_or_unicode: Final = re.compile(r"%[0-9A-F]{2}|\\u[0-9a-f]{4}")


@functools.lru_cache(maxsize=16)
def spellings_of(secrets: frozenset[str]) -> tuple[str, ...]:
    """Give all spellings of these secrets, the longest first, so that none hides in another.

    Args:
        secrets: Texts; an empty one counts as none.
    """
    texts = {text for secret in secrets if secret for text in _spellings(secret)}
    return tuple(sorted(texts, key=len, reverse=True))


def _spellings(secret: str) -> Iterator[str]:
    in_utf8 = secret.encode("utf-8", "surrogatepass")
    in_json = json.dumps(secret)[1:-1]
    plain_json = json.dumps(secret, ensure_ascii=False)[1:-1]
    yield from (secret, repr(secret)[1:-1], in_utf8.decode("latin-1"))
    yield from (html.escape(secret), html.escape(secret, quote=False))
    percent = quote(in_utf8, safe=""), quote(in_utf8), quote_plus(in_utf8)
    nested = json.dumps(in_json)[1:-1], json.dumps(plain_json, ensure_ascii=False)[1:-1]
    for text in (in_json, plain_json, *nested, *percent):
        yield text
        yield _percent_or_unicode.sub(_in_the_other_case, text)
    yield from _in_base64(in_utf8)


def _in_the_other_case(found: re.Match[str]) -> str:
    """Write the letters of `%2f` and of a Unicode escape in the other case."""
    return found[0][:2] + found[0][2:].swapcase() if found[0][0] == "\\" else found[0].lower()


def _in_base64(secret: bytes) -> Iterator[str]:
    """Give what Base64 makes of the secret, whatever stands before and after it.

    Three bytes become four characters, so it can begin in three places. The characters at its
    ends also hold bits of its neighbours, and are left out; alone it keeps its last ones.
    """
    for before in range(3):
        coded = b64encode(bytes(before) + secret).decode().rstrip("=")
        first = -(-before * 8 // 6)
        end = (before + len(secret)) * 8 // 6
        for inner in {coded[first:end], coded[first:]}:
            if len(inner) >= _SHORTEST_IN_BASE64:
                yield inner
                yield inner.replace("+", "-").replace("/", "_")
