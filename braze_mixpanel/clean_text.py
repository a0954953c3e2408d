"""Cleans text from outside where it goes to a person: log, table, terminal, HTML.

An app user chooses the name of an event, and a server the words of its error. Control characters
and escape sequences change a terminal, line breaks forge a log line, bidirectional marks turn what
is read around, and some characters no XML may hold.
"""

from __future__ import annotations

import re
from typing import Final

MOST_SHOWN: Final = 300
"""Characters of one name or message that are shown."""
_REPLACEMENT: Final = "\ufffd"
_BIDIRECTIONAL: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_FORBIDDEN: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff"
_unfit_for_log = re.compile(f"[{_FORBIDDEN}{_BIDIRECTIONAL}]")
_unfit_for_line = re.compile(f"[\t\n{_FORBIDDEN}{_BIDIRECTIONAL}]")


class Lines(str):
    """A text whose line breaks are meant, such as a table: a log keeps them."""

    __slots__ = ()


def one_line(text: str, most: int = MOST_SHOWN) -> str:
    """Clean a name or a message that stands in one line or cell.

    Args:
        text: From outside.
        most: Characters that are kept.

    Returns:
        The text, with what is unfit replaced by U+FFFD, cut with an ellipsis.
    """
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return _unfit_for_line.sub(_REPLACEMENT, cut)


def lines(text: str) -> str:
    """Clean the finished text of a log record, whose own line breaks stay."""
    return _unfit_for_log.sub(_REPLACEMENT, text)
