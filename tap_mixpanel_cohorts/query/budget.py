"""Count the queries of the last hour. Pure: the time is passed in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW_SECONDS: Final = 3600.0
"""Mixpanel counts the queries of the last 60 minutes, not since the last full hour."""
_HOUR: Final = 60
"""Minutes."""
_INTERVALS: Final = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)


class Budget:
    """Count the queries of the last hour, over several runs."""

    def __init__(self, limit: int, asked: Iterable[float] = ()) -> None:
        """Start with the queries of earlier runs.

        Args:
            limit: The most queries in an hour.
            asked: The times of earlier queries in UNIX seconds.
        """
        self.limit = limit
        self._asked = sorted(asked)

    def spend(self, now: float) -> None:
        """Count a query."""
        self._asked.append(now)

    def give_back(self) -> None:
        """Remove the last query from the count, because Mixpanel did not run it (429)."""
        if self._asked:
            self._asked.pop()

    def left(self, now: float) -> int:
        """Return how many queries may be sent now."""
        return max(0, self.limit - len(self.recent(now)))

    def seconds_until(self, queries: int, now: float) -> float:
        """Return the seconds until this number of queries may be sent. Infinite: never."""
        if queries > self.limit:
            return math.inf
        recent = self.recent(now)
        missing = queries - (self.limit - len(recent))
        if missing <= 0:
            return 0.0
        return max(0.0, recent[missing - 1] + WINDOW_SECONDS - now)

    def recent(self, now: float) -> list[float]:
        """Return the times of the queries of the last hour. Times in the future are dropped."""
        self._asked = [asked for asked in self._asked if now - WINDOW_SECONDS < asked <= now]
        return self._asked


def fitting_interval(queries: int, budget: int) -> str:
    """Return the shortest schedule that fits into the budget.

    Args:
        queries: The queries of one run.
        budget: The most queries in an hour.

    Returns:
        A text such as "every 15 minutes".
    """
    minutes = math.ceil(_HOUR * queries / budget)
    fitting = next((each for each in _INTERVALS if each >= minutes), minutes)
    if fitting == 1:
        return "every minute"
    if fitting < _HOUR:
        return f"every {fitting} minutes"
    return "every hour" if fitting == _HOUR else f"every {math.ceil(fitting / _HOUR)} hours"
