"""Describe, in STATE messages, what tap-braze-currents has read so far.

Only the tap knows the bucket, and only the target writes the report. The note stands beside the
STATE's value, so it is not part of the state: nothing saves it or reads it again, and other targets
do not see it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping

BUCKET_READ: Final = "x-braze-currents-read"
"""Key of the note in a STATE message."""
MOST_NAMED: Final = 150
"""Event types that a note names; Braze has about a hundred."""
_HOUR: Final = r"^(\d{4}-\d\d-\d\d-\d\d)?$"

Hour = Annotated[str, msgspec.Meta(pattern=_HOUR)]
Count = Annotated[int, msgspec.Meta(ge=0)]


class BucketRead(msgspec.Struct, frozen=True):
    """The files and records that a run has read up to a STATE.

    Attributes:
        source: The URL of the bucket or the path of the folder, without secrets.
        files: How many files were read to their end.
        first_hour: The oldest hour with such a file, as `2026-11-01-13` (UTC); empty if none.
        last_hour: The newest one.
        others: Event types in the bucket that are not selected, in order, at most `MOST_NAMED`.
        others_count: How many there are.
    """

    source: str
    files: Count = 0
    first_hour: Hour = ""
    last_hour: Hour = ""
    others: list[str] = []
    others_count: Count = 0


def note_of(read: BucketRead) -> dict[str, Any]:
    """Return what a STATE message gets besides its value."""
    return {BUCKET_READ: msgspec.to_builtins(read)}


def find_note(message: Mapping[str, Any]) -> BucketRead | None:
    """Read the note of a STATE message.

    Args:
        message: The parsed message, of any tap.

    Returns:
        The note; None if there is none, or if it has another form.
    """
    try:
        return msgspec.convert(message.get(BUCKET_READ), BucketRead)
    except msgspec.ValidationError:
        return None
