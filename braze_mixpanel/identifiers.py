"""Read identifiers, so that one person always has the same text. Pure.

Numbers and texts are ids. 12345, 12345.0 and 1.2345e4 are the same id, because data frames and
spreadsheets convert one into the other. Null and blank text mean "no id". Words such as `null` or
`NaN` are written by programs for "no id". No other value is an id: not true, false, an object, an
array, a fraction, or a float so large that digits are lost.
"""

from __future__ import annotations

import re
from typing import Final

MEANINGLESS_IDS: Final = frozenset(
    {"nan", "nat", "nil", "none", "null", "undefined", "<nil>", "<na>", "<null>"}
)
"""Words that programs write for a missing value, in lower case."""
_LONGEST_MEANINGLESS: Final = max(map(len, MEANINGLESS_IDS))
_match_count = re.compile(r"\+?([0-9]{1,18})(?:\.0*)?").fullmatch
_EXACT_FLOATS: Final = float(2**53)
"""Above this number, two whole numbers may have the same float, and two people the same id."""


def id_text(value: object) -> str | None:
    """Return an id in a record as text.

    Args:
        value: A field of a record.

    Returns:
        Text unchanged, and a whole number as its digits. None if the value is not an id.
    """
    if isinstance(value, str):
        return value if value and not value.isspace() else None
    if isinstance(value, float):
        if not (value.is_integer() and abs(value) <= _EXACT_FLOATS):
            return None
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def exact_count(value: object) -> int | None:
    """Return a count that a tap may write as 2, 2.0, "2" or "2.0".

    Returns:
        The count, or None if the value is not exactly a whole number from 0 up.
    """
    if isinstance(value, str):
        match = _match_count(value.strip())
        return int(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    is_exact = isinstance(value, int) or (value.is_integer() and value <= _EXACT_FLOATS)
    return int(value) if is_exact and value >= 0 else None


def is_absent(value: object) -> bool:
    """Return whether a field is empty: null or blank text."""
    return value is None or (isinstance(value, str) and not value.strip())


def is_meaningless(text: str) -> bool:
    """Return whether a text is a word for a missing value, such as `NaN`."""
    # The length is compared first, to avoid lower-casing nearly every id.
    return len(text) <= _LONGEST_MEANINGLESS and text.lower() in MEANINGLESS_IDS


def whole_numbers(value: object) -> object:
    """Return a value with whole floats as integers, also inside lists and objects.

    So 12345 and 12345.0 give the same digest.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) <= _EXACT_FLOATS:
        return int(value)
    if isinstance(value, list):
        return [whole_numbers(item) for item in value]
    if isinstance(value, dict):
        return {key: whole_numbers(item) for key, item in value.items()}
    return value
