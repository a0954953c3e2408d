"""A person's identifier in Braze, as one text. A run uses one kind of identifier.

The membership store treats identifiers as opaque text. Only this module knows that the text of an
alias holds two texts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import msgspec

from braze_mixpanel.identifiers import id_text, is_meaningless

if TYPE_CHECKING:
    from collections.abc import Sequence

EXTERNAL_ID: Final = "external_id"
DEVICE_ID: Final = "device_id"
ALIAS: Final = "alias"
KINDS: Final = (EXTERNAL_ID, DEVICE_ID, ALIAS)

LONGEST_BYTES: Final = 1000
"""Longer than any id that Braze accepts (997 bytes), short enough for an index in PostgreSQL."""

_NOBODY: Final = "$braze_mixpanel_nobody"

_decode_alias = msgspec.json.Decoder(tuple[str, str]).decode


def text_of(value: object) -> str | None:
    """Read a name from a record.

    Args:
        value: A field of a record. A whole number becomes text.

    Returns:
        The text; None if the value cannot be stored and sent: null, blank, too long, with a NUL
        character, or of a type that is neither text nor a whole number.
    """
    text = id_text(value)
    if text is None or "\0" in text:
        return None
    # Counting bytes costs more than counting characters, and no character has more than four.
    short = len(text) <= LONGEST_BYTES // 4 or len(text.encode()) <= LONGEST_BYTES
    return text if short else None


def id_of(value: object) -> str | None:
    """Read an id from a record: as `text_of`, without the words that stand for no value."""
    text = text_of(value)
    return None if text is None or is_meaningless(text) else text


def alias_identifier(name: str, label: str) -> str:
    """Return the one text that stands for a user alias."""
    return msgspec.json.encode((name, label)).decode()


def nobody(kind: str) -> str:
    """Return an identifier that no user has."""
    return alias_identifier(_NOBODY, _NOBODY) if kind == ALIAS else _NOBODY


def cohort_lists(kind: str, identifiers: Sequence[str]) -> dict[str, Any]:
    """Return people in the form of the partner cohort import: lists by kind of identifier."""
    if kind == ALIAS:
        return {"aliases": [alias_object(identifier) for identifier in identifiers]}
    return {"device_ids" if kind == DEVICE_ID else "user_ids": list(identifiers)}


def track_identity(kind: str, identifier: str) -> dict[str, Any]:
    """Return one person in the form of `/users/track`, which does not support device ids."""
    if kind == ALIAS:
        return {"user_alias": alias_object(identifier)}
    return {"external_id": identifier}


def alias_object(identifier: str) -> dict[str, str]:
    """Return an alias in Braze's form, from the text of `alias_identifier`."""
    name, label = _decode_alias(identifier)
    return {"alias_name": name, "alias_label": label}
