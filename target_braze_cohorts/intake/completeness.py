"""Whether everything of a stream has come. Pure: it is told what came, in its order.

The end of the input proves nothing, because a tap that died ends the same way. These do:

- ACTIVATE_VERSION for the stream behind records that came after its last SCHEMA. Taps made with the
  Singer SDK send both before they ask the API for each parent's records, so that of the next parent
  must not count for the records of the last one;
- a STATE that comes after the stream began and whose `currently_syncing` has moved on from it, or
  is gone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

CURRENTLY_SYNCING = "currently_syncing"


class StreamEvidence:
    """What is known of one stream's end."""

    def __init__(self, stream: str, related: Iterable[str] = ()) -> None:
        """Start before the input.

        Args:
            stream: The stream.
            related: Streams under whose name a tap may be syncing this one (its parent): when
                `currently_syncing` moves to one of them, that is a beginning and no end.
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
        """The stream's SCHEMA came: it begins, or goes on with another parent's records.

        Args:
            source: What the tap calls the stream, which a stream map may have renamed.
        """
        self.began = True
        self.complete = self._has_new_records = False
        self._names.add(source)

    def saw_record(self) -> None:
        """A record came: what was taken for the end before it was none."""
        self.has_records = self._has_new_records = True
        self.complete = False

    def saw_activate_version(self) -> None:
        """The tap says that all records of this version have been sent, or will be."""
        self.began = True
        self.complete = self.complete or self._has_new_records

    def saw_state(self, state: Mapping[str, Any]) -> None:
        """A STATE came.

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
