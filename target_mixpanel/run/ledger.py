"""Decide which STATE is safe to write. Pure: it only keeps track of batches and STATE messages.

After a STATE, the tap does not read the earlier records again. So a STATE is safe when all earlier
records have an outcome. Batches finish in any order. A STATE is safe when the batch with the last
record before it is settled, and all batches before this batch are settled too.

Example: STATE a came after batch 0, STATE b after batch 2. Batch 2 settles: no STATE is safe.
Batch 0 settles: a is safe. Batch 1 settles: batches 0 to 2 are settled, so b is safe.
"""

from __future__ import annotations

from collections import deque
from typing import Any

State = dict[str, Any]


class Ledger:
    """Hold back each STATE until all batches before it are settled.

    Batches have consecutive numbers in the order of their records.
    """

    def __init__(self) -> None:
        """Start without batches and STATE."""
        self._settled_through = -1
        """All batches up to this number are settled."""
        self._settled_early: dict[int, float] = {}
        """Settled batches with a higher number → the newest time of an event in them."""
        self._newest = self._safe_newest = 0.0
        self.covered = 0.0
        """The newest time of an event before the last STATE that `take_safe_state` returned."""
        self._waiting: deque[tuple[int, State]] = deque()
        self._safe: State | None = None

    def state_arrived(self, state: State, *, last_batch: int) -> None:
        """Add a STATE of the tap.

        Args:
            state: The value of the message.
            last_batch: The number of the batch with the last record before the STATE, or -1.
        """
        # A newer STATE that waits for the same batch replaces the older one.
        if self._waiting and self._waiting[-1][0] == last_batch:
            self._waiting.pop()
        self._waiting.append((last_batch, state))
        self._advance()

    def batch_settled(self, number: int, newest: float = 0.0) -> None:
        """Note that all records of a batch have an outcome. The order of the calls is free.

        Args:
            number: The number of the batch.
            newest: The newest time of an event in the batch, in UNIX seconds.
        """
        self._settled_early[number] = newest
        self._advance()

    def take_safe_state(self) -> State | None:
        """Return the newest safe STATE, or None. Each STATE is returned only once."""
        safe, self._safe = self._safe, None
        if safe is not None:
            self.covered = self._safe_newest
        return safe

    def _advance(self) -> None:
        self._release()
        # Batches after a gap stay in `_settled_early` until the missing batch settles.
        while self._settled_through + 1 in self._settled_early:
            self._settled_through += 1
            self._newest = max(self._newest, self._settled_early.pop(self._settled_through))
            self._release()

    def _release(self) -> None:
        """Mark the newest STATE as safe whose batches are all settled."""
        while self._waiting and self._waiting[0][0] <= self._settled_through:
            self._safe = self._waiting.popleft()[1]
            self._safe_newest = self._newest
