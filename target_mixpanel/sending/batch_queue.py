"""Hands batches over to the senders, and bounds what all of them hold in memory."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from target_mixpanel.sending.batches import Batch

MOST_BYTES_HELD: Final = 160_000_000
"""Bytes of events and of the lines they came from, in flight and ready to be sent. The default
settings fill 32 requests with less than this; with larger ones, fewer requests are in flight."""
_MOST_READY: Final = 2
"""Batches ready beside those in flight, so that no sender waits for the reader."""


class BatchQueue:
    """Batches on their way, from `put` until `settled`; one thread puts them in, many take them."""

    def __init__(self, most_bytes: int = MOST_BYTES_HELD) -> None:
        """Start empty.

        Args:
            most_bytes: How much all batches may hold together. A batch that is larger by itself
                goes alone.
        """
        self._most_bytes = most_bytes
        self._ready: deque[Batch] = deque()
        self._held: dict[int, int] = {}
        """Number of a batch → its bytes."""
        self._idle = 0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def lacks_senders(self) -> bool:
        """Whether more batches are ready than senders wait for one."""
        return len(self._ready) > self._idle

    def put(self, batch: Batch, seconds: float) -> bool:
        """Add a batch.

        Args:
            batch: To be sent.
            seconds: How long to wait for room at most.

        Returns:
            Whether there was room.
        """
        size = batch.bytes_held
        with self._changed:
            if not self._changed.wait_for(lambda: self._has_room(size), seconds):
                return False
            self._held[batch.number] = size
            self._ready.append(batch)
            self._changed.notify_all()
            return True

    def take(self, seconds: float) -> Batch | None:
        """Take the oldest batch that is ready.

        Args:
            seconds: How long to wait for one at most.

        Returns:
            The batch; None if none came in time, or none will come any more.
        """
        with self._changed:
            self._idle += 1
            try:
                self._changed.wait_for(lambda: self._ready or self._is_closed, seconds)
            finally:
                self._idle -= 1
            if not self._ready:
                return None
            batch = self._ready.popleft()
            self._changed.notify_all()
            return batch

    def settled(self, batch: Batch) -> None:
        """Note that a batch holds no memory here any more."""
        with self._changed:
            self._held.pop(batch.number, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Note that no more batches will come."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def has_ended(self) -> bool:
        """Whether every batch was taken and none will come."""
        with self._changed:
            return self._is_closed and not self._ready

    def _has_room(self, size: int) -> bool:
        if len(self._ready) >= _MOST_READY:
            return False
        # Alone, a batch of any size passes: it would wait for ever for a smaller one.
        return not self._held or sum(self._held.values()) + size <= self._most_bytes
