"""The queue between the reader and the sender threads. It bounds the memory of all batches."""

from __future__ import annotations

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from target_mixpanel.sending.batches import Batch

MOST_BYTES_HELD: Final = 160_000_000
"""The most bytes of events and of their input lines, in flight and ready to be sent. With default
settings, 32 requests need less than this. With larger batches, fewer requests are in flight."""
_MOST_READY: Final = 2
"""Ready batches besides the ones in flight, so that no sender has to wait for the reader."""


class BatchQueue:
    """A queue that holds a batch from `put` until `settled`. One thread puts, many threads take."""

    def __init__(self, most_bytes: int = MOST_BYTES_HELD) -> None:
        """Create an empty queue.

        Args:
            most_bytes: The most bytes of all batches together. A batch that is larger is accepted
                when no other batch is in the queue.
        """
        self._most_bytes = most_bytes
        self._ready: deque[Batch] = deque()
        self._held: dict[int, int] = {}
        """Number of a batch → its bytes, from `put` until `settled`."""
        self._idle = 0
        self._is_closed = False
        self._changed = threading.Condition()

    @property
    def lacks_senders(self) -> bool:
        """Whether there are more ready batches than waiting senders."""
        return len(self._ready) > self._idle

    def put(self, batch: Batch, seconds: float) -> bool:
        """Add a batch.

        Args:
            batch: The batch to send.
            seconds: The most seconds to wait for room.

        Returns:
            Whether the batch was added.
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
            seconds: The most seconds to wait for a batch.

        Returns:
            The batch, or None if there was none in time or the queue is closed and empty.
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
        """Free the room of a batch whose events all have an outcome."""
        with self._changed:
            self._held.pop(batch.number, None)
            self._changed.notify_all()

    def close(self) -> None:
        """Close the queue: no more batches will come."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    @property
    def has_ended(self) -> bool:
        """Whether the queue is closed and all batches were taken."""
        with self._changed:
            return self._is_closed and not self._ready

    def _has_room(self, size: int) -> bool:
        if len(self._ready) >= _MOST_READY:
            return False
        # If no other batch is held, a batch of any size is accepted. It would wait forever
        # otherwise.
        return not self._held or sum(self._held.values()) + size <= self._most_bytes
