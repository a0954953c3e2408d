"""What can become of a record before it leaves: an event, a skip or a refusal."""

from __future__ import annotations

from typing import Any, Protocol

import msgspec


class Event(msgspec.Struct):
    """A Mixpanel event as `/import` takes it."""

    event: str
    properties: dict[str, Any]


class SkippedEvent(msgspec.Struct, frozen=True):
    """A record that a named rule leaves out on purpose; it is counted and not kept."""

    event: str
    reason: str


class RejectedEvent(msgspec.Struct, frozen=True):
    """A record that Mixpanel would not take; it goes to the dead letter.

    Attributes:
        event: Mixpanel event name, as far as it is known.
        reason: Short name of the rule, the same for all records it stops.
        field: The Mixpanel property at fault, if it is one.
        message: What is wrong with this record, in words.
    """

    event: str
    reason: str
    field: str | None
    message: str


def name_is_taken(field: str) -> str:
    """Say that a record's own field would stand in the place of one of ours."""
    return f"property {field} of the record left out, the name is taken"


class Mapper(Protocol):
    """Makes an event of a record."""

    remarks: list[str]
    """What was noticed in the last record; for the caller to take out."""

    def __call__(self, record: dict[str, Any]) -> Event | SkippedEvent | RejectedEvent:
        """Map one record."""
