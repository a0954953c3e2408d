"""Clean text from outside before a person sees it: in a log, table, terminal or HTML page.

App users choose event names, and servers choose error messages. Such text may hold control
characters that change a terminal, line breaks that forge a log line, bidirectional marks that
reverse the displayed text, and characters that are not allowed in XML.
"""

from __future__ import annotations

import re
from typing import Final

MOST_SHOWN: Final = 300
"""The most characters of one name or message to show."""
_REPLACEMENT: Final = "\ufffd"
_BIDIRECTIONAL: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
_FORBIDDEN: Final = "\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff"
_unfit_for_log = re.compile(f"[{_FORBIDDEN}{_BIDIRECTIONAL}]")
_unfit_for_line = re.compile(f"[\t\n{_FORBIDDEN}{_BIDIRECTIONAL}]")


class Lines(str):
    """A text whose line breaks are meant, such as a table: a log keeps them."""

    __slots__ = ()


def one_line(text: str, most: int = MOST_SHOWN) -> str:
    """Return a name or message that is safe to show in one line or table cell.

    Args:
        text: The text from outside.
        most: The most characters to keep.

    Returns:
        The text with forbidden characters replaced by U+FFFD. A longer text ends with "…".
    """
    cut = text if len(text) <= most else f"{text[: most - 1]}…"
    return _unfit_for_line.sub(_REPLACEMENT, cut)


def lines(text: str) -> str:
    """Return the formatted text of a log record without forbidden characters. Keep line breaks."""
    return _unfit_for_log.sub(_REPLACEMENT, text)
