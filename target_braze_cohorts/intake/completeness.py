"""Proof that a stream is complete. Pure: it sees the kinds of messages in their order.

The end of the input proves nothing, because the input of a tap that died ends the same way. Two
messages are proof:

- ACTIVATE_VERSION for the stream, after records that follow its last SCHEMA. Taps made with the
  Singer SDK send both messages before they request each parent's records, so the ACTIVATE_VERSION
  of the next parent must not count for the records of the last one;
- a STATE after the stream began whose `currently_syncing` has moved on from the stream, or is gone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CURRENTLY_SYNCING = "currently_syncing"


@dataclass(frozen=True, kw_only=True)
class InputEvidence:
    """What proves, at the end of the input, that it is complete.

    Attributes:
        cut: Whether the input ended in the middle of a line.
        members_complete: Whether the members stream is complete.
        every_cohort_came: Whether each cohort of the source is in the input.
        profiles_complete: Whether the profiles stream is complete, or not needed.
        set_aside: Records that could not be read and may be of any cohort.
    """

    cut: bool
    members_complete: bool
    every_cohort_came: bool
    profiles_complete: bool
    set_aside: int = 0


class StreamEvidence:
    """Collects what proves that one stream is complete."""

    def __init__(self, stream: str, related: Iterable[str] = ()) -> None:
        """Start before the input.

        Args:
            stream: The stream.
            related: Streams under whose name a tap may be syncing this one (its parent): a
                `currently_syncing` that moves to one of them is a beginning, not an end.
        """
        self.stream = stream
        self.began = False
        self.complete = False
        self.has_records = False
        self._has_new_records = False
        self._names = {stream}
        self._related = set(related)
        self._syncing: str | None = None

    def saw_schema(self, source: str) -> None:
        """Note a SCHEMA: the stream begins, or continues with another parent's records.

        Args:
            source: The tap's name for the stream; a stream map may have renamed it.
        """
        self.began = True
        self.complete = self._has_new_records = False
        self._names.add(source)

    def saw_record(self) -> None:
        """Note a record: what looked like the end of the stream was not the end."""
        self.has_records = self._has_new_records = True
        self.complete = False

    def saw_activate_version(self) -> None:
        """Note an ACTIVATE_VERSION: it is proof if it follows records, see the module."""
        self.began = True
        self.complete = self.complete or self._has_new_records

    def saw_state(self, state: Mapping[str, Any]) -> None:
        """Note a STATE.

        Args:
            state: Its value, with or without `currently_syncing`.
        """
        syncing = state.get(CURRENTLY_SYNCING)
        before, self._syncing = self._syncing, syncing
        if not self.began or before is None or syncing == before:
            return
        ours = self._names | self._related
        if before in self._names or (syncing not in ours and (before in ours or self.has_records)):
            self.complete = True
