"""Quote Mixpanel's messages without the values of the event. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.settings.redaction import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_CHARACTERS: Final = 200
_SHORTEST_VALUE: Final = 3
"""Shorter values occur in any sentence, so they are not replaced."""


def without_values(message: str, record: object) -> str:
    """Return a message with … for each value of the record, which may be a person's.

    Args:
        message: Mixpanel's message about an event.
        record: The record of the event.
    """
    # Longer values first: a short value may be part of a longer one.
    values = {text for text in _texts(record) if len(text) >= _SHORTEST_VALUE}
    message = masked(message)  # first: a value may be a part of a secret
    for value in sorted(values, key=len, reverse=True):
        message = message.replace(value, "…")
    return one_line(message, _MOST_CHARACTERS)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)
