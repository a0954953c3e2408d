"""One cohort as a run gives it out."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

COHORTS: Final = "cohorts"
MEMBERS: Final = "cohort_members"
CHANGES: Final = "cohort_changes"
_MOST_DIGITS: Final = 18
"""So many digits always fit into 64 bits."""


class Block(NamedTuple):
    """Some records: NDJSON, each with a newline at its end."""

    ndjson: bytes
    records: int


@dataclass(frozen=True)
class Reading:
    """A cohort and its people, given out in this order: people, the cohort's record, STATE.

    Attributes:
        stream: `cohort_members` for a complete list, `cohort_changes` for who entered and left.
        blocks: Its records.
        cohort: The cohort's own record.
        progress: What STATE says when all of this is out.
    """

    stream: str
    blocks: Iterable[Block]
    cohort: dict[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)


def cohort_number(text: str) -> int | str:
    """Write a cohort's id as Mixpanel's query API does: a number if it is one."""
    is_number = (
        text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and str(int(text)) == text
    )
    return int(text) if is_number else text
