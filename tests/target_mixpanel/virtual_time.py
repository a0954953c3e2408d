"""A clock for many threads that moves on when all of them sleep, so that minutes take moments."""

from __future__ import annotations

import heapq
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_QUIET_SECONDS = 0.0005
"""When no thread has gone to sleep for so long, all of them are taken to sleep or to be done."""


class VirtualTime:
    """Gives `clock` and `sleep`; threads that sleep wake up in the order of their times."""

    def __init__(self) -> None:
        self._now = 0.0
        self._wakes: list[float] = []
        self._changes = 0
        self._changed = threading.Condition()

    def clock(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._changed:
            wake = self._now + max(seconds, 1e-6)
            heapq.heappush(self._wakes, wake)
            self._changes += 1
            self._changed.wait_for(lambda: self._now >= wake)

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Let the time pass."""
        ended = threading.Event()
        thread = threading.Thread(target=self._pass, args=(ended,))
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()
            with self._changed:  # nobody sleeps for ever
                self._now = float("inf")
                self._changed.notify_all()

    def _pass(self, ended: threading.Event) -> None:
        seen = -1
        while not ended.is_set():
            time.sleep(_QUIET_SECONDS)
            with self._changed:
                if self._changes == seen and self._wakes:
                    self._now = heapq.heappop(self._wakes)
                    self._changes += 1
                    self._changed.notify_all()
                seen = self._changes
