"""Check the names in an Avro schema. The schema comes from the file, so it is not trusted."""

from __future__ import annotations

from typing import Any

from tap_braze_currents.formats.limits import NAME_LENGTH

_FIRST_SEGMENTS = frozenset({"users", "agentconsole", "contentoptimizer"})


def full_name(raw: dict[str, Any], namespace: str) -> str:
    """Return the full name of a named type.

    Args:
        raw: The definition of the type.
        namespace: The namespace of the type around it.

    Raises:
        TypeError, ValueError: The name or the namespace is not valid.
    """
    name = require_name(raw["name"])
    given = raw.get("namespace")
    if given is not None and not isinstance(given, str):
        raise TypeError("a namespace is not a string")
    namespace = namespace if given is None else given
    return name if "." in name or not namespace else require_name(f"{namespace}.{name}")


def namespace_of(full_name: str) -> str:
    """Return the part of a full name before its last dot."""
    return full_name.rpartition(".")[0]


def require_name(value: object) -> str:
    """Return the value if it is a valid name.

    Raises:
        TypeError: The value is not a string, or is empty.
        ValueError: The name is longer than `NAME_LENGTH`.
    """
    if not isinstance(value, str) or not value:
        raise TypeError("a name is empty or not a string")
    if len(value) > NAME_LENGTH:
        raise ValueError(f"a name is longer than {NAME_LENGTH} characters")
    return value


def require_list(value: object, what: str) -> list[Any]:
    """Return the value if it is a list.

    Raises:
        TypeError: The value is not a list. `what` names it in the message.
    """
    if not isinstance(value, list):
        raise TypeError(f"{what} is not a list")
    return value


def event_type_of_record(record_name: str) -> str:
    """Return the event type that the full name of an Avro record contains.

    Args:
        record_name: For example `dataexport.S3.inner.users.messages.email.Open`. Until 2021 it was
            the event type alone.

    Returns:
        The event type. The registry may not know it.
    """
    _, inner, after = record_name.rpartition(".inner.")
    if inner:
        return after
    segments = record_name.split(".")
    for index, segment in enumerate(segments):
        if segment in _FIRST_SEGMENTS:
            return ".".join(segments[index:])
    return record_name
