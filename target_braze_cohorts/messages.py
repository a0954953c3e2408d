"""Parts of Singer messages whose shape the reader does not look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping


def state_of(message: Mapping[str, Any]) -> dict[str, Any]:
    """Give the value of a STATE message.

    Raises:
        InputError: It is no JSON object.
    """
    value = message["value"]
    if not isinstance(value, dict):
        raise InputError(
            "A STATE message holds no JSON object: is the tap's standard output mixed with "
            "something else? What came before it was processed, and nobody was removed."
        )
    return value


def require_properties(schema: Any, stream: str) -> None:  # noqa: ANN401
    """Make sure that a SCHEMA message says which fields a stream has; the SDK fails without.

    Raises:
        InputError: It does not.
    """
    if not isinstance(schema, dict) or not isinstance(schema.get("properties"), dict):
        raise InputError(
            f"The SCHEMA message of stream {stream} names no properties, as the Singer "
            "specification wants it: mend the tap. What came before it was processed, and nobody "
            "was removed."
        )
