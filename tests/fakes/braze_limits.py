"""Braze's rate limits: requests in windows, each with headers on every answer.

Source: Braze's API reference, rate limits: 3,000 requests in 3 seconds for `/users/track`, 250,000
an hour for the partner cohort import.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping


class Limit(NamedTuple):
    """So many requests in so many seconds; windows end on the clock, as Braze's do."""

    requests: int
    seconds: float


DOCUMENTED_LIMITS: Mapping[str, Limit] = {
    "/users/track": Limit(3_000, 3.0),
    "/partners/": Limit(250_000, 3_600.0),
}


@dataclass
class _Window:
    until: float = 0.0
    taken: int = 0
    refused: int = 0


class RateLimits:
    """Counts requests by the beginning of their path; one thread at a time."""

    def __init__(self, limits: Mapping[str, Limit], clock_ahead: float = 0.0) -> None:
        """Start with all of each window left.

        Args:
            limits: By the beginning of the path.
            clock_ahead: How far the server's clock is ahead of this machine's, in seconds.
        """
        self._limits, self._clock_ahead = limits, clock_ahead
        self._windows = {path: _Window() for path in limits}

    @property
    def refused(self) -> int:
        """How many requests came too many."""
        return sum(window.refused for window in self._windows.values())

    def now(self) -> float:
        """Return the server's time in UNIX seconds."""
        return time.time() + self._clock_ahead

    def take(self, path: str) -> bool:
        """Count a request; return False if it is one too many."""
        limit, window = self._of(path)
        if limit is None:
            return True
        if self.now() >= window.until:
            window.until, window.taken = (self.now() // limit.seconds + 1) * limit.seconds, 0
        if window.taken >= limit.requests:
            window.refused += 1
            return False
        window.taken += 1
        return True

    def headers(self, path: str) -> list[tuple[str, str]]:
        """Return the headers of an answer."""
        limit, window = self._of(path)
        if limit is None:
            return []
        return [
            ("X-RateLimit-Limit", str(limit.requests)),
            ("X-RateLimit-Remaining", str(limit.requests - window.taken)),
            ("X-RateLimit-Reset", str(int(window.until))),
        ]

    def _of(self, path: str) -> tuple[Limit | None, _Window]:
        for beginning, limit in self._limits.items():
            if path.startswith(beginning):
                return limit, self._windows[beginning]
        return None, _Window()
