"""The three results of the mapping: an event, a skipped event or a rejected event."""

from __future__ import annotations

from typing import Any, Final, Protocol

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


NOBODY: Final = "distinct_id is empty, the event belongs to no user"
"""Remark on an event that has no user."""
RESERVED_NAMES: Final = frozenset({"$ignore", "bucket", "$bucket", "token"})
"""Properties that change what Mixpanel does with an event, without an error: it drops the event,
hides others, or assigns it to another project. Only the target itself sends `token`."""
NOT_MAPPED: Final = "the stream cannot be mapped"
"""Reason why the records of a whole stream are left out."""


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


def name_is_reserved(field: str) -> str:
    """Return the remark for a field of the record that is one of `RESERVED_NAMES`."""
    return f"property {field} of the record left out, Mixpanel reserves the name"


class Mapper(Protocol):
    """Makes an event of a record."""

    remarks: list[str]
    """Notes on records that were mapped all the same. The caller empties the list."""

    def __call__(self, record: dict[str, Any]) -> Event | SkippedEvent | RejectedEvent:
        """Map one record."""


class UnmappedStreamMapper:
    """Leaves out every record of a stream that cannot be mapped, so that the others go on."""

    def __init__(self, stream: str) -> None:
        """Prepare the result, the same for every record.

        Args:
            stream: The stream, after stream maps.
        """
        self.remarks: list[str] = []
        self._skipped = SkippedEvent(stream, NOT_MAPPED)

    def __call__(self, record: dict[str, Any]) -> SkippedEvent:
        """Skip one record."""
        del record
        return self._skipped
