"""Which STATE is safe to pass on. Pure bookkeeping of batches and the STATE between them."""

from __future__ import annotations

from collections import deque
from typing import Any

State = dict[str, Any]


class Ledger:
    """Batches get numbers in the order of their records; STATE waits for all batches before it."""

    def __init__(self) -> None:
        """Start empty."""
        self._settled_through = -1
        self._settled_early: set[int] = set()
        self._waiting: deque[tuple[int, State]] = deque()
        self._safe: State | None = None

    def state_arrived(self, state: State, *, last_batch: int) -> None:
        """Note a STATE of the tap.

        Args:
            state: Its value.
            last_batch: Number of the batch that holds the last record before it, -1 if none.
        """
        if self._waiting and self._waiting[-1][0] == last_batch:
            self._waiting.pop()
        self._waiting.append((last_batch, state))
        self._advance()

    def batch_settled(self, number: int) -> None:
        """Note that every record of a batch has an outcome; batches settle in any order."""
        self._settled_early.add(number)
        self._advance()

    def take_safe_state(self) -> State | None:
        """Return the newest STATE whose earlier records all have an outcome, once."""
        safe, self._safe = self._safe, None
        return safe

    def _advance(self) -> None:
        while self._settled_through + 1 in self._settled_early:
            self._settled_through += 1
            self._settled_early.discard(self._settled_through)
        while self._waiting and self._waiting[0][0] <= self._settled_through:
            self._safe = self._waiting.popleft()[1]
