"""Find the proof that a stream is complete. Pure: it only sees the order of the messages.

The end of the input is no proof, because the input of a tap that crashed ends in the same way. Two
messages are a proof:

- ACTIVATE_VERSION for the stream, after records that follow its last SCHEMA. Taps made with the
  Singer SDK send SCHEMA and ACTIVATE_VERSION before they request the records of each parent. So the
  ACTIVATE_VERSION of the next parent must not count for the records of the parent before.
- A STATE after the stream began, whose `currently_syncing` names another stream or is missing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CURRENTLY_SYNCING = "currently_syncing"


@dataclass(frozen=True, kw_only=True)
class InputEvidence:
    """The proof, at the end of the input, that the input is complete.

    Attributes:
        cut: Whether the input ended in the middle of a line.
        members_complete: Whether the members stream is complete.
        every_cohort_came: Whether the input has all cohorts of the source.
        profiles_complete: Whether the profiles stream is complete or not needed.
        set_aside: The number of records that could not be read and may be of any cohort.
    """

    cut: bool
    members_complete: bool
    every_cohort_came: bool
    profiles_complete: bool
    set_aside: int = 0


class StreamEvidence:
    """Collect the proof that one stream is complete."""

    def __init__(self, stream: str, related: Iterable[str] = ()) -> None:
        """Start without messages.

        Args:
            stream: The name of the stream.
            related: Streams that a tap may name in `currently_syncing` while it reads this stream,
                such as its parent. A move of `currently_syncing` to one of them is no proof.
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
            source: The name of the stream in the tap, before stream maps.
        """
        self.began = True
        self.complete = self._has_new_records = False
        self._names.add(source)

    def saw_record(self) -> None:
        """Note a record. An earlier proof does not count any more."""
        self.has_records = self._has_new_records = True
        self.complete = False

    def saw_activate_version(self) -> None:
        """Note an ACTIVATE_VERSION. It is a proof if it follows records, see the module."""
        self.began = True
        self.complete = self.complete or self._has_new_records

    def saw_state(self, state: Mapping[str, Any]) -> None:
        """Note a STATE.

        Args:
            state: The value of the message, with or without `currently_syncing`.
        """
        # Proof: `currently_syncing` was this stream and has changed. Or it was a related stream and
        # has moved to an unrelated one or is gone: then the tap is done with this stream too.
        syncing = state.get(CURRENTLY_SYNCING)
        before, self._syncing = self._syncing, syncing
        if not self.began or before is None or syncing == before:
            return
        ours = self._names | self._related
        if before in self._names or (syncing not in ours and (before in ours or self.has_records)):
            self.complete = True
