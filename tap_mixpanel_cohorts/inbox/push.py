"""Read and check one call of Mixpanel's cohort sync. Pure.

Source of the format: Mixpanel's documentation of webhook destinations. Ids may be text or numbers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import msgspec

from braze_mixpanel.lenient_json import decode_leniently

if TYPE_CHECKING:
    from collections.abc import Sequence

MEMBERS: Final = "members"
ADD: Final = "add_members"
REMOVE: Final = "remove_members"
ACTIONS: Final = (MEMBERS, ADD, REMOVE)
LONGEST_ID_BYTES: Final = 1000
"""The most bytes of an id: longer than any id of Mixpanel, and short enough for a PostgreSQL
index."""
MOST_PAGES: Final = 1_000_000
"""The most pages. Ten million people in pages of one thousand need ten thousand pages."""
_WORD: Final = re.compile("[A-Za-z_]{1,40}")

_encode = msgspec.json.Encoder().encode


class BadPushError(Exception):
    """A call is wrong, and no retry can help. Mixpanel shows the message to its user."""

    def __init__(self, message: str, action: str = "") -> None:
        """Create the error.

        Args:
            message: What is wrong and what to do, without personal data.
            action: The action of the call, or empty if it is not known.
        """
        super().__init__(message)
        self.action = action


@dataclass(frozen=True)
class Push:
    """One page of one export.

    Attributes:
        action: `members`, `add_members` or `remove_members`.
        project_id: The id of the Mixpanel project, as text.
        cohort_id: The id of the cohort, as text.
        name: The name of the cohort.
        description: The description of the cohort, or empty.
        session_id: The id of the export that the page belongs to.
        page: The number of the page, from 1.
        total_pages: The number of pages of this action in the export.
        members: Pairs of distinct id and kept properties (a JSON object, or None). Each distinct id
            occurs once.
    """

    action: str
    project_id: str
    cohort_id: str
    name: str
    description: str
    session_id: str
    page: int
    total_pages: int
    members: tuple[tuple[bytes, bytes | None], ...]


def read_push(body: bytes, profile_properties: Sequence[str]) -> Push:
    """Read the body of a call.

    Args:
        body: The body as JSON.
        profile_properties: The names of the properties to keep besides the distinct id.

    Returns:
        The page. It holds no other data of a person.

    Raises:
        BadPushError: The body does not have Mixpanel's format.
    """
    try:
        content = decode_leniently(body)
    except (ValueError, RecursionError):
        raise BadPushError("The body is not JSON. Send Mixpanel's cohort sync here.") from None
    if not isinstance(content, dict):
        raise BadPushError("The body is not a JSON object. Send Mixpanel's cohort sync here.")
    action = content.get("action")
    if action not in ACTIONS:
        # Only a plain word is repeated in the message. Other text may be personal data.
        word = action if isinstance(action, str) and _WORD.fullmatch(action) else ""
        raise BadPushError(
            f"Unknown action{f' {word!r}' if word else ''}: it must be one of "
            f"{', '.join(ACTIONS)}.",
            word,
        )
    try:
        return _read_parameters(action, content.get("parameters"), profile_properties)
    except _MalformedError as error:
        raise BadPushError(f"Malformed {action}: {error}.", action) from None


class _MalformedError(Exception):
    """The parameters of a call are wrong."""


def _read_parameters(action: str, parameters: object, names: Sequence[str]) -> Push:
    if not isinstance(parameters, dict):
        raise _MalformedError("parameters is not an object")
    pages = parameters.get("page_info")
    if not isinstance(pages, dict):
        raise _MalformedError("parameters.page_info is not an object")
    # An empty list may say that it has no pages; its one call is a page all the same.
    given, page = _whole_number(pages, "total_pages"), _whole_number(pages, "page_count")
    total, page = (1, 1) if given == page == 0 else (max(1, given), page)
    if not 1 <= page <= total <= MOST_PAGES:
        raise _MalformedError(f"page_count {page} of total_pages {total} is not a page")
    cohort_id = _id(parameters, "mixpanel_cohort_id")
    return Push(
        action=action,
        project_id=_id(parameters, "mixpanel_project_id"),
        cohort_id=cohort_id,
        name=_text(parameters.get("mixpanel_cohort_name")) or cohort_id,
        description=_text(parameters.get("mixpanel_cohort_description")),
        session_id=_id(parameters, "mixpanel_session_id"),
        page=page,
        total_pages=total,
        members=_members(parameters.get("members"), names),
    )


def _members(
    members: object,
    names: Sequence[str],
) -> tuple[tuple[bytes, bytes | None], ...]:
    if not isinstance(members, list):
        raise _MalformedError("parameters.members is not a list")
    found: dict[bytes, bytes | None] = {}
    for place, member in enumerate(members, 1):
        who = _id_text(member.get("mixpanel_distinct_id")) if isinstance(member, dict) else None
        if not who:
            raise _MalformedError(f"member {place} of the page has no usable mixpanel_distinct_id")
        key = who.encode()
        if len(key) > LONGEST_ID_BYTES:
            raise _MalformedError(
                f"the mixpanel_distinct_id of member {place} has more than {LONGEST_ID_BYTES} bytes"
            )
        kept = {name: member[name] for name in names if member.get(name) is not None}
        found[key] = _encode(kept) if kept else None
    return tuple(found.items())


def _whole_number(values: dict[str, Any], name: str) -> int:
    value = values.get(name)
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool):
        raise _MalformedError(f"parameters.page_info.{name} is not a whole number")
    return value


def _id(values: dict[str, Any], name: str) -> str:
    text = _id_text(values.get(name))
    if not text or len(text.encode()) > LONGEST_ID_BYTES or "\0" in text:
        raise _MalformedError(f"parameters.{name} is missing or is not an id")
    return text


def _id_text(value: object) -> str | None:
    """Return an id as JSON writes it, or None. 12345 and 12345.0 are the same id."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return msgspec.json.encode(value).decode()
    return None


def _text(value: object) -> str:
    return value.replace("\0", "") if isinstance(value, str) else ""
