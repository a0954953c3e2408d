"""What Mixpanel's import endpoint documents about one event, written for the fake alone.

On purpose it shares nothing with the target's own rules, so that one can catch the other.
"""

from __future__ import annotations

import string
from typing import Any

import msgspec

LIMIT = 255
"""Properties, keys of an object and items of an array must be fewer."""
MAX_DEPTH = 3
MAX_EVENT_BYTES = 1_000_000
EPOCH_1971 = 31_536_000
EPOCH_2010 = 1_262_304_000
FORBIDDEN = frozenset(
    """00000000-0000-0000-0000-000000000000 anon anonymous nil none null n/a na undefined
    unknown <nil> 0 -1 true false [] {}""".split()  # noqa: SIM905
)
_CONTAINERS = frozenset({dict, list})
_ID_CHARACTERS = frozenset(string.ascii_letters + string.digits + "-")

Problem = tuple[str, str]
"""The field and Mixpanel's message."""


def seconds_of(time: float) -> float:
    """Give a `time` in seconds: thirteen digits are milliseconds."""
    return time / 1000 if time >= 100_000_000_000 else time


def problem_with(event: Any, now: float, request_size: int = MAX_EVENT_BYTES) -> Problem | None:
    """Say why Mixpanel refuses an event, or None if it takes it.

    Args:
        event: As it came.
        now: The server's clock.
        request_size: Of the whole body: an event of a small one need not be measured.
    """
    if not isinstance(event, dict):
        return "", "data, must be a JSON object"
    if not isinstance(event.get("event"), str) or not event["event"]:
        return "event", "'event' is required and must be a non-empty string"
    properties = event.get("properties")
    if not isinstance(properties, dict):
        return "properties", "'properties' is required and must be a JSON object"
    return (
        _problem_with_time(properties.get("time"), now)
        or _problem_with_ids(properties)
        or _problem_with_shape(properties)
        or _problem_with_size(event, request_size)
    )


def identity(event: dict[str, Any]) -> tuple[str, float, str, str]:
    """Give what makes two events the same to Mixpanel."""
    properties = event["properties"]
    return (
        event["event"],
        seconds_of(properties["time"]),
        properties["distinct_id"],
        properties["$insert_id"],
    )


def _problem_with_time(time: Any, now: float) -> Problem | None:
    if time is None:
        return "properties.time", "'properties.time' is required"
    if isinstance(time, bool) or not isinstance(time, (int, float)):
        return "properties.time", "'properties.time' is invalid: must be a timestamp"
    if seconds_of(time) < EPOCH_1971:
        return "properties.time", "'properties.time' is invalid: must be later than 1971-01-01"
    if seconds_of(time) > now + 3600:
        return "properties.time", "'properties.time' is invalid: is in the future"
    return None


def _problem_with_ids(properties: dict[str, Any]) -> Problem | None:
    insert_id, distinct_id = properties.get("$insert_id"), properties.get("distinct_id")
    if not isinstance(insert_id, str) or not insert_id:
        return "properties.$insert_id", "'properties.$insert_id' is required, must be a string"
    if len(insert_id.encode()) > 36 or not _ID_CHARACTERS.issuperset(insert_id):
        return (
            "properties.$insert_id",
            "'properties.$insert_id' is invalid: 1-36 of A-Za-z0-9-",
        )
    if insert_id.lower() in FORBIDDEN:
        return "properties.$insert_id", "'properties.$insert_id' is invalid: reserved word"
    if not isinstance(distinct_id, str):
        return "properties.distinct_id", "'properties.distinct_id' is required, must be a string"
    if distinct_id.lower() in FORBIDDEN:
        return "properties.distinct_id", "'properties.distinct_id' is invalid: reserved word"
    return None


def _problem_with_shape(properties: dict[str, Any]) -> Problem | None:
    if len(properties) >= LIMIT:
        return "properties", f"'properties' is invalid: must have fewer than {LIMIT} properties"
    for name, value in properties.items():
        if type(value) in _CONTAINERS and (message := _problem_with_nesting(value, 1)):
            return f"properties.{name}", f"'properties.{name}' is invalid: {message}"
    return None


def _problem_with_size(event: dict[str, Any], request_size: int) -> Problem | None:
    if request_size >= MAX_EVENT_BYTES and len(msgspec.json.encode(event)) >= MAX_EVENT_BYTES:
        return "", "event is too large: must be smaller than 1MB"
    return None


def _problem_with_nesting(value: Any, depth: int) -> str | None:
    if isinstance(value, dict):
        if depth > MAX_DEPTH:
            return f"nested deeper than {MAX_DEPTH}"
        if len(value) >= LIMIT:
            return f"object must have fewer than {LIMIT} keys"
        inner: Any = value.values()
        depth += 1
    elif isinstance(value, list):
        if len(value) >= LIMIT:
            return f"array must have fewer than {LIMIT} items"
        inner = value
    else:
        return None
    return next(filter(None, (_problem_with_nesting(item, depth) for item in inner)), None)
