"""The three results of the mapping: an event, a skipped event or a rejected event."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec

from braze_mixpanel.identifiers import id_text, is_absent
from braze_mixpanel.times import UnreadableTimeError, event_time


class Event(msgspec.Struct):
    """A Mixpanel event in the form that `/import` accepts."""

    event: str
    properties: dict[str, Any]


class SkippedEvent(msgspec.Struct, frozen=True):
    """A record that a named rule leaves out on purpose; it is counted, not kept."""

    event: str
    reason: str


class RejectedEvent(msgspec.Struct, frozen=True):
    """A record that Mixpanel would not accept; it goes to the dead letter.

    Attributes:
        event: Mixpanel event name, as far as it is known.
        reason: Short name of the rule, the same for all records that break it.
        field: The Mixpanel property that breaks the rule; None if it is not a single one.
        message: What is wrong with this record, in one sentence without its values.
    """

    event: str
    reason: str
    field: str | None
    message: str


def time_or_wrong(value: object) -> object:
    """Read the time of an event in any spelling that `braze_mixpanel.times` knows.

    Returns:
        UNIX seconds or milliseconds; None for null; a value that is no time between 1990 and 2100
        as text, which the rules reject.
    """
    if value is None:
        return None
    try:
        return event_time(value)
    except UnreadableTimeError:
        return str(value)


def id_or_wrong(value: object) -> object:
    """Read an id: its text; None if there is none; else the value, which the rules reject."""
    text = id_text(value)
    return value if text is None and not is_absent(value) else text


def name_is_taken(field: str) -> str:
    """Return the remark for a field of the record whose name the target uses itself."""
    return f"property {field} of the record left out, the name is taken"


class Mapper(Protocol):
    """Makes an event of a record."""

    remarks: list[str]
    """Notes on records that were mapped all the same. The caller empties the list."""

    def __call__(self, record: dict[str, Any]) -> Event | SkippedEvent | RejectedEvent:
        """Map one record."""
