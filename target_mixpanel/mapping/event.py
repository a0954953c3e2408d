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
    """A record that a rule leaves out on purpose. It is counted, but not kept in a file."""

    event: str
    reason: str


class RejectedEvent(msgspec.Struct, frozen=True):
    """A record that Mixpanel would not accept. It goes to the dead letter.

    Attributes:
        event: The Mixpanel event name, or the stream if the name is not known.
        reason: The short name of the rule. It is the same for all records that break the rule.
        field: The Mixpanel property that breaks the rule, or None if it is not one property.
        message: What is wrong with this record, in one sentence without values of the record.
    """

    event: str
    reason: str
    field: str | None
    message: str


NOBODY: Final = "distinct_id is empty, the event belongs to no user"
"""The remark on an event without a user."""
RESERVED_NAMES: Final = frozenset({"$ignore", "bucket", "$bucket", "token"})
"""Properties that change how Mixpanel handles an event, without an error: Mixpanel drops the event,
hides other events, or assigns it to another project. Only the target itself sends `token`."""
NOT_MAPPED: Final = "the stream cannot be mapped"
"""The reason for skipping all records of a stream."""


def time_or_wrong(value: object) -> object:
    """Return the time of an event, read in any form that `braze_mixpanel.times` supports.

    Returns:
        UNIX seconds or milliseconds. None for null. For a value that is not a time between 1990
        and 2100, the value as text, which `rules` rejects.
    """
    if value is None:
        return None
    try:
        return event_time(value)
    except UnreadableTimeError:
        return str(value)


def id_or_wrong(value: object) -> object:
    """Return an id as text, or None if there is no id. Another value is returned unchanged.

    `rules` rejects events whose id is not text.
    """
    text = id_text(value)
    return value if text is None and not is_absent(value) else text


def name_is_taken(field: str) -> str:
    """Return the remark for a record field with the name of a property that the target sets."""
    return f"property {field} of the record left out, the name is taken"


def name_is_reserved(field: str) -> str:
    """Return the remark for a record field with one of the `RESERVED_NAMES`."""
    return f"property {field} of the record left out, Mixpanel reserves the name"


class Mapper(Protocol):
    """A callable that maps a record to an event."""

    remarks: list[str]
    """Remarks on events that are sent anyway. The caller empties the list after each record."""

    def __call__(self, record: dict[str, Any]) -> Event | SkippedEvent | RejectedEvent:
        """Map one record."""


class UnmappedStreamMapper:
    """Skip every record of a stream that cannot be mapped, so that the run can continue."""

    def __init__(self, stream: str) -> None:
        """Prepare the result, which is the same for every record.

        Args:
            stream: The name of the stream, after stream maps.
        """
        self.remarks: list[str] = []
        self._skipped = SkippedEvent(stream, NOT_MAPPED)

    def __call__(self, record: dict[str, Any]) -> SkippedEvent:
        """Skip one record."""
        del record
        return self._skipped
