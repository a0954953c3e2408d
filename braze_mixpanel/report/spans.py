"""Lengths of time in seconds. They are not in the chart's module, which imports much more."""

from __future__ import annotations

from typing import Final

HOUR: Final = 3600
DAY: Final = 24 * HOUR
WEEK: Final = 7 * DAY
MONDAY: Final = 4 * DAY
"""The first Monday of UNIX time: bars of weeks start on Mondays."""
