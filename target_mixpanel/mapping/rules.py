"""Check an event against Mixpanel's limits. Pure: the present time is passed in.

Source: Mixpanel's reference of the `/import` endpoint and its guide to properties. Mixpanel would
reject these events too; checking first saves a request for each, and gives a clear reason. Where
the documentation is not clear, the wider limit is used, and Mixpanel's answer decides.

`fast_lane` makes the same checks in its own way: a new rule must be added there too.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.identifiers import MEANINGLESS_IDS
from target_mixpanel.mapping.event import Event, RejectedEvent, SkippedEvent

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_EVENT_BYTES: Final = 1_000_000
"""The JSON of an event must have fewer bytes."""
MAX_PROPERTIES: Final = 254
MAX_OBJECT_KEYS: Final = 254
MAX_ARRAY_ITEMS: Final = 254
MAX_OBJECT_DEPTH: Final = 3
MAX_ARRAY_DEPTH: Final = 50
"""Mixpanel documents no limit, but every JSON parser has one."""
MAX_SECONDS_AHEAD: Final = 3600
FIRST_IMPORTABLE_SECONDS: Final = 365 * 86_400
"""1971-01-01T00:00:00Z: `/import` takes nothing older."""

FORBIDDEN_IDS: Final = frozenset(
    {
        "00000000-0000-0000-0000-000000000000",
        "anon",
        "anonymous",
        "nil",
        "none",
        "null",
        "n/a",
        "na",
        "undefined",
        "unknown",
        "<nil>",
        "0",
        "-1",
        "true",
        "false",
        "[]",
        "{}",
    }
    | MEANINGLESS_IDS
)
"""Ids that Mixpanel rejects, and words that programs write when there is no value."""
LONGEST_FORBIDDEN_ID = max(map(len, FORBIDDEN_IDS))
INSERT_ID_FORM: Final = "[A-Za-z0-9-]{1,36}"
_has_insert_id_form = re.compile(INSERT_ID_FORM).fullmatch

_FIRST_MILLISECONDS = 100_000_000_000
"""Mixpanel accepts `time` in seconds or milliseconds. From this number on it is milliseconds."""

IN_THE_FUTURE: Final = "time in the future"
TOO_LARGE: Final = "too large"


def seconds(time: float) -> float:
    """Return a Mixpanel time in seconds. The argument may be in seconds or milliseconds."""
    if abs(time) < _FIRST_MILLISECONDS:
        return time
    try:
        return time / 1000
    except OverflowError:
        return math.inf if time > 0 else -math.inf


def check_event(
    event: Event, *, now: float, min_event_time: float
) -> RejectedEvent | SkippedEvent | None:
    """Check one event against all rules except its size.

    Args:
        event: A mapped event.
        now: The present time in UNIX seconds.
        min_event_time: Events before this time, in UNIX seconds, are skipped.

    Returns:
        None if the event meets all rules, or the result of the first rule that it breaks.
    """
    properties = event.properties
    if not event.event:
        return RejectedEvent(event.event, "no event name", "event", "the event has no name")
    time = properties["time"]
    if type(time) not in _NUMBERS:
        return _unreadable_time(event.event, time)
    at = seconds(time)
    if not FIRST_IMPORTABLE_SECONDS <= at <= now + MAX_SECONDS_AHEAD or at < min_event_time:
        return _wrong_time(event.event, at, now, min_event_time)
    return _check_ids(event) or _check_shape(event)


def _check_ids(event: Event) -> RejectedEvent | None:
    insert_id, distinct_id = event.properties["$insert_id"], event.properties["distinct_id"]
    if insert_id is None:
        return RejectedEvent(
            event.event, "no id", "$insert_id", "the field for $insert_id is missing"
        )
    if not (isinstance(insert_id, str) and _has_insert_id_form(insert_id)):
        return _forbidden(event, "$insert_id", "must be 1 to 36 letters, digits or hyphens")
    if not isinstance(distinct_id, str):
        return _forbidden(event, "distinct_id", "must be text")
    for field, value in (("$insert_id", insert_id), ("distinct_id", distinct_id)):
        if len(value) <= LONGEST_FORBIDDEN_ID and value.lower() in FORBIDDEN_IDS:
            return _forbidden(event, field, "is a word that Mixpanel forbids")
    return None


def _forbidden(event: Event, field: str, why: str) -> RejectedEvent:
    return RejectedEvent(event.event, f"{field} not allowed", field, f"{field} {why}")


def _check_shape(event: Event) -> RejectedEvent | None:
    properties = event.properties
    if len(properties) > MAX_PROPERTIES:
        return RejectedEvent(
            event.event,
            "too many properties",
            None,
            f"{len(properties)} properties, at most {MAX_PROPERTIES} are allowed",
        )
    for name, value in properties.items():
        if type(value) in _CONTAINERS and (problem := find_nesting_problem(value)):
            return RejectedEvent(event.event, problem[0], name, problem[1])
    return None


_NUMBERS = frozenset({int, float})
_CONTAINERS = frozenset({dict, list})


def check_size(event: str, size: int) -> RejectedEvent | None:
    """Check the size of an event as JSON, in bytes."""
    if size < MAX_EVENT_BYTES:
        return None
    return RejectedEvent(
        event, TOO_LARGE, None, f"{size} bytes as JSON, must be under {MAX_EVENT_BYTES}"
    )


def _unreadable_time(event: str, time: object) -> RejectedEvent:
    if time is None:
        return RejectedEvent(event, "no time", "time", "time is missing")
    return RejectedEvent(
        event, "no time", "time", "time is neither a number nor ISO 8601 of the years 1990 to 2100"
    )


def _wrong_time(
    event: str, at: float, now: float, min_event_time: float
) -> RejectedEvent | SkippedEvent:
    if at > now + MAX_SECONDS_AHEAD:
        return RejectedEvent(
            event, IN_THE_FUTURE, "time", "time is more than one hour in the future"
        )
    if at < min_event_time:
        return SkippedEvent(event, "before min_event_time")
    return RejectedEvent(event, "time before 1971", "time", "time is before 1971-01-01")


def find_nesting_problem(
    value: dict[str, Any] | list[Any],
    depth: int = 1,
    arrays: int = 1,
) -> tuple[str, str] | None:
    """Return the nesting limit that a value exceeds, or None.

    Args:
        value: An object or array.
        depth: The depth of objects, 1 for the value itself.
        arrays: The depth of arrays, 1 for the value itself.

    Returns:
        The short name of the limit, and a sentence.
    """
    children: Iterable[Any]
    if isinstance(value, dict):
        if depth > MAX_OBJECT_DEPTH:
            return "nested too deep", f"objects nested more than {MAX_OBJECT_DEPTH} deep"
        if len(value) > MAX_OBJECT_KEYS:
            return "too many keys", f"an object with {len(value)} keys, {MAX_OBJECT_KEYS} allowed"
        children, depth = value.values(), depth + 1
    else:
        if arrays > MAX_ARRAY_DEPTH:
            return "nested too deep", f"arrays nested more than {MAX_ARRAY_DEPTH} deep"
        if len(value) > MAX_ARRAY_ITEMS:
            return "array too long", f"an array of {len(value)}, {MAX_ARRAY_ITEMS} allowed"
        children, arrays = value, arrays + 1
    for child in children:
        if type(child) in _CONTAINERS and (problem := find_nesting_problem(child, depth, arrays)):
            return problem
    return None
