"""Names in an Avro schema, checked: a schema stands in the file, so it may hold anything."""

from __future__ import annotations

from typing import Any

from tap_braze_currents.formats.limits import NAME_LENGTH

_FIRST_SEGMENTS = frozenset({"users", "agentconsole", "contentoptimizer"})


def full_name(raw: dict[str, Any], namespace: str) -> str:
    """Return the name of a named type with its namespace; raises TypeError or ValueError."""
    name = require_name(raw["name"])
    given = raw.get("namespace")
    if given is not None and not isinstance(given, str):
        raise TypeError("a namespace is no text")
    namespace = namespace if given is None else given
    return name if "." in name or not namespace else require_name(f"{namespace}.{name}")


def namespace_of(full_name: str) -> str:
    """Return what stands before the last dot of a full name."""
    return full_name.rpartition(".")[0]


def require_name(value: object) -> str:
    """Return a name that is text and not too long; raises TypeError or ValueError."""
    if not isinstance(value, str) or not value:
        raise TypeError("a name is no text, or empty")
    if len(value) > NAME_LENGTH:
        raise ValueError(f"a name is longer than {NAME_LENGTH} characters")
    return value


def require_list(value: object, what: str) -> list[Any]:
    """Return a list; raises TypeError where the schema holds something else."""
    if not isinstance(value, list):
        raise TypeError(f"{what} is no list")
    return value


def event_type_of_record(record_name: str) -> str:
    """Find the event type in the full name of an Avro record.

    Args:
        record_name: Such as `dataexport.S3.inner.users.messages.email.Open` or, until 2021,
            the bare event type.

    Returns:
        The event type; it need not be one of the registry.
    """
    _, inner, after = record_name.rpartition(".inner.")
    if inner:
        return after
    segments = record_name.split(".")
    for index, segment in enumerate(segments):
        if segment in _FIRST_SEGMENTS:
            return ".".join(segments[index:])
    return record_name
