"""How many queries are left in this hour. Pure: the time is given."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

WINDOW_SECONDS: Final = 3600.0
"""Mixpanel counts the queries of the last hour, not of the clock's."""
_HOUR: Final = 60
"""Minutes."""
_INTERVALS: Final = (1, 2, 3, 5, 10, 15, 20, 30, 60, 120, 180, 240, 360, 720, 1440)


class Budget:
    """Counts queries of the last hour, over several runs."""

    def __init__(self, limit: int, asked: Iterable[float] = ()) -> None:
        """Start with what earlier runs asked.

        Args:
            limit: Queries an hour.
            asked: When queries were asked, in UNIX seconds.
        """
        self.limit = limit
        self._asked = sorted(asked)

    def spend(self, now: float) -> None:
        """Count a query."""
        self._asked.append(now)

    def give_back(self) -> None:
        """Count the last query no more: the service refused to take it."""
        if self._asked:
            self._asked.pop()

    def left(self, now: float) -> int:
        """Give how many queries may be asked at once."""
        return max(0, self.limit - len(self.recent(now)))

    def seconds_until(self, queries: int, now: float) -> float:
        """Give in how many seconds so many queries may be asked at once; infinite if never."""
        if queries > self.limit:
            return math.inf
        recent = self.recent(now)
        missing = queries - (self.limit - len(recent))
        if missing <= 0:
            return 0.0
        return max(0.0, recent[missing - 1] + WINDOW_SECONDS - now)

    def recent(self, now: float) -> list[float]:
        """Give when the queries of the last hour were asked; times to come are not believed."""
        self._asked = [asked for asked in self._asked if now - WINDOW_SECONDS < asked <= now]
        return self._asked


def fitting_interval(queries: int, budget: int) -> str:
    """Say how often a run of so many queries fits into the budget.

    Args:
        queries: Of one run.
        budget: Queries an hour.

    Returns:
        Such as "every 15 minutes".
    """
    minutes = math.ceil(_HOUR * queries / budget)
    fitting = next((each for each in _INTERVALS if each >= minutes), minutes)
    if fitting == 1:
        return "every minute"
    if fitting < _HOUR:
        return f"every {fitting} minutes"
    return "every hour" if fitting == _HOUR else f"every {math.ceil(fitting / _HOUR)} hours"
