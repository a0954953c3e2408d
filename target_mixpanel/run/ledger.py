"""Which STATE is safe to write. Pure bookkeeping of batches and of the STATE between them.

A STATE means to the tap: do not read the earlier records again. It is safe when each of them has an
outcome. Batches finish in any order, so the ledger waits for the unbroken row of settled batches to
reach the batch with the last record before the STATE.

Example: STATE a came after batch 0, STATE b after batch 2. Batch 2 settles: nothing is safe.
Batch 0 settles: a is safe. Batch 1 settles: the row reaches 2, b is safe.
"""

from __future__ import annotations

from collections import deque
from typing import Any

State = dict[str, Any]


class Ledger:
    """Batches have numbers in the order of their records; STATE waits for all batches before it."""

    def __init__(self) -> None:
        """Start empty."""
        self._settled_through = -1
        self._settled_early: dict[int, float] = {}
        """Batches beyond the row, with their newest time."""
        self._newest = self._safe_newest = 0.0
        self.covered = 0.0
        """The newest time of an event before the last STATE that `take_safe_state` returned."""
        self._waiting: deque[tuple[int, State]] = deque()
        self._safe: State | None = None

    def state_arrived(self, state: State, *, last_batch: int) -> None:
        """Note a STATE of the tap.

        Args:
            state: Its value.
            last_batch: Number of the batch that holds the last record before it, -1 if none.
        """
        # A newer STATE that waits for the same batch replaces the older one.
        if self._waiting and self._waiting[-1][0] == last_batch:
            self._waiting.pop()
        self._waiting.append((last_batch, state))
        self._advance()

    def batch_settled(self, number: int, newest: float = 0.0) -> None:
        """Note that every record of a batch has an outcome; batches settle in any order.

        Args:
            number: The batch.
            newest: The newest time of an event in it, in UNIX seconds.
        """
        self._settled_early[number] = newest
        self._advance()

    def take_safe_state(self) -> State | None:
        """Return the newest STATE whose earlier records all have an outcome, once."""
        safe, self._safe = self._safe, None
        if safe is not None:
            self.covered = self._safe_newest
        return safe

    def _advance(self) -> None:
        self._release()
        # Batches beyond a gap stay in `_settled_early` until the gap is closed.
        while self._settled_through + 1 in self._settled_early:
            self._settled_through += 1
            self._newest = max(self._newest, self._settled_early.pop(self._settled_through))
            self._release()

    def _release(self) -> None:
        """Make the STATE safe that waits for no batch beyond the row."""
        while self._waiting and self._waiting[0][0] <= self._settled_through:
            self._safe = self._waiting.popleft()[1]
            self._safe_newest = self._newest
