"""The form in which a source returns a cohort."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

COHORTS: Final = "cohorts"
MEMBERS: Final = "cohort_members"
CHANGES: Final = "cohort_changes"
_MOST_DIGITS: Final = 18
"""Numbers of up to 18 digits always fit into 64 bits."""


class Block(NamedTuple):
    """Some records as NDJSON. Each record ends with a newline."""

    ndjson: bytes
    records: int


@dataclass(frozen=True)
class Reading:
    """A cohort and its people. They are emitted in this order: people, the cohort's record, STATE.

    Attributes:
        stream: `cohort_members` for a complete list, `cohort_changes` for changes.
        blocks: The records of the people.
        cohort: The record of the cohort.
        progress: The STATE to write after these records.
    """

    stream: str
    blocks: Iterable[Block]
    cohort: dict[str, Any]
    progress: dict[str, Any] = field(default_factory=dict)


def cohort_number(text: str) -> int | str:
    """Return a cohort's id in the form of Mixpanel's query API: as a number if possible."""
    is_number = (
        text.isascii() and text.isdigit() and len(text) <= _MOST_DIGITS and str(int(text)) == text
    )
    return int(text) if is_number else text
