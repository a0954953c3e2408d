"""Identify a person in Braze by one text. A run uses one kind of identifier.

The membership store does not look into identifiers. Only this module knows that the text of an
alias holds two texts: its name and its label.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import msgspec

from braze_mixpanel.identifiers import id_text, is_meaningless
from target_braze_cohorts.settings.identifier_kinds import ALIAS, BRAZE_ID, DEVICE_ID, EMAIL, PHONE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CONTACTS: Final = {EMAIL: "e-mail address", PHONE: "phone number (with + and country code)"}
"""Kinds whose text must have a certain form → the name of the form, for messages."""

LONGEST_BYTES: Final = 1000
"""The most bytes of an identifier: more than Braze accepts (997), and short enough for an index in
PostgreSQL."""

_NOBODY: Final = "$braze_mixpanel_nobody"
_NOBODY_OF_KIND: Final = {
    EMAIL: "nobody@braze-mixpanel.invalid",  # a domain that cannot exist
    PHONE: "+999000000000000",  # a country code that no country has
    BRAZE_ID: "0" * 24,
}
"""Identifiers that no user has, for kinds whose text must have a certain form."""

_is_email = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.]+").fullmatch
_is_phone = re.compile(r"\+[1-9][0-9]{6,14}").fullmatch
_drop_separators = re.compile(r"[\s().\-/]+").sub
_decode_alias = msgspec.json.Decoder(tuple[str, str]).decode


def text_of(value: object) -> str | None:
    """Return a name in a record as text.

    Args:
        value: A field of a record. A whole number becomes text.

    Returns:
        The text, or None if the value cannot be stored and sent: null, blank, too long, with a NUL
        character, or neither text nor a whole number.
    """
    text = id_text(value)
    if text is None or "\0" in text:
        return None
    # Counting bytes costs more than counting characters, and no character has more than four.
    short = len(text) <= LONGEST_BYTES // 4 or len(text.encode()) <= LONGEST_BYTES
    return text if short else None


def id_of(value: object) -> str | None:
    """Return an id in a record as text. Like `text_of`, but None for words that mean "no value"."""
    text = text_of(value)
    return None if text is None or is_meaningless(text) else text


def email_of(value: object) -> str | None:
    """Return an e-mail address in a record.

    Returns:
        The address in lower case, or None if the value is not an address. The case is ignored,
        because another spelling of an address would add and remove the same person.
    """
    text = text_of(value)
    text = text.strip().lower() if text else ""
    return text if _is_email(text) else None


def phone_of(value: object) -> str | None:
    """Return a phone number in a record.

    Returns:
        The number in the form E.164, such as +491701234567, without separators. None for any other
        value, also for a number without + and country code: it could belong to another person.
    """
    text = _drop_separators("", text_of(value) or "")
    return text if _is_phone(text) else None


def identifier_reader(kind: str) -> Callable[[object], str | None]:
    """Return the function that reads identifiers of a kind. For an alias it reads the name only."""
    return {EMAIL: email_of, PHONE: phone_of}.get(kind, id_of)


def alias_identifier(name: str, label: str) -> str:
    """Return the identifier of a user alias: name and label in one text."""
    return msgspec.json.encode((name, label)).decode()


def nobody(kind: str) -> str:
    """Return an identifier that no user has."""
    if kind == ALIAS:
        return alias_identifier(_NOBODY, _NOBODY)
    return _NOBODY_OF_KIND.get(kind, _NOBODY)


def cohort_lists(kind: str, identifiers: Sequence[str]) -> dict[str, Any]:
    """Return people in the form of the partner cohort import: a list by kind of identifier."""
    if kind == ALIAS:
        return {"aliases": [alias_object(identifier) for identifier in identifiers]}
    return {"device_ids" if kind == DEVICE_ID else "user_ids": list(identifiers)}


def track_identity(kind: str, identifier: str) -> dict[str, Any]:
    """Return one person in the form of `/users/track`, which does not support device ids."""
    return {"user_alias": alias_object(identifier)} if kind == ALIAS else {kind: identifier}


def alias_object(identifier: str) -> dict[str, str]:
    """Return an alias in Braze's form, from the text of `alias_identifier`."""
    name, label = _decode_alias(identifier)
    return {"alias_name": name, "alias_label": label}
