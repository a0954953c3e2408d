"""Who a person is to Braze: one kind of identifier a run, each as one text.

The store of known membership treats identifiers as opaque text; only this module knows that an
alias is two texts in one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTERNAL_ID: Final = "external_id"
DEVICE_ID: Final = "device_id"
ALIAS: Final = "alias"
KINDS: Final = (EXTERNAL_ID, DEVICE_ID, ALIAS)

LONGEST_BYTES: Final = 1000
"""Longer than any id that Braze takes (997 bytes), shorter than what PostgreSQL can index."""

_decode_alias = msgspec.json.Decoder(tuple[str, str]).decode


def text_of(value: Any) -> str | None:  # noqa: ANN401
    """Read an id or a name from a record.

    Args:
        value: A field of a record. Whole numbers are written as text, as Braze wants ids to be.

    Returns:
        The text, or None where there is none that could be stored and sent: null, blank, too long,
        with a NUL character, or of a type that is no id.
    """
    if isinstance(value, str):
        # Counting bytes costs more than counting characters, of which none has more than four.
        short = len(value) <= LONGEST_BYTES // 4 or len(value.encode()) <= LONGEST_BYTES
        return value if short and value and not value.isspace() and "\0" not in value else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None


def alias_identifier(name: str, label: str) -> str:
    """Put a user alias into one text."""
    return msgspec.json.encode((name, label)).decode()


def cohort_lists(kind: str, identifiers: Sequence[str]) -> dict[str, Any]:
    """Write people as the partner cohort import names them: lists by kind of identifier."""
    if kind == ALIAS:
        return {"aliases": [alias_object(identifier) for identifier in identifiers]}
    return {"device_ids" if kind == DEVICE_ID else "user_ids": list(identifiers)}


def track_identity(kind: str, identifier: str) -> dict[str, Any]:
    """Write one person as `/users/track` names them; it knows no device ids."""
    if kind == ALIAS:
        return {"user_alias": alias_object(identifier)}
    return {"external_id": identifier}


def alias_object(identifier: str) -> dict[str, str]:
    """Take an alias's text apart, see `alias_identifier`."""
    name, label = _decode_alias(identifier)
    return {"alias_name": name, "alias_label": label}
