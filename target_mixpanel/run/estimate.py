"""Estimate the events of a day and of a month from a dry run. Pure.

Mixpanel bills by the number of events, so users want this number before they send anything. The
rate is the number of events divided by the hours that they cover. A target does not see which hours
a tap has read, so the covered hours are found from the times of the events. Some events are days
late (phones that were offline) or have a wrong time, so the first and the last time do not help:

1. The typical hour is the weighted median of all hours. The weight of an hour is the square root of
   its events. So many hours with one late event each do not decide, nor one hour with a large
   campaign.
2. The middle 90 % of the events are in the covered hours. A campaign counts as ten typical hours at
   most. Otherwise its hour alone would be the middle.
3. The hours before and after are covered too while they have at least a tenth of the events of the
   typical hour. Hours with only late events have fewer.

All events count for the rate, late ones too: about the same number is late every day.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import accumulate
from typing import TYPE_CHECKING, Final

from braze_mixpanel.report.spans import DAY, HOUR, WEEK

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_mixpanel.run.timeline import Timeline

DAYS_A_MONTH: Final = 30
_OUTSIDE: Final = 0.05
"""The share of the events on each side that is outside of the middle, see step 2."""
_BUSY: Final = 0.1
"""The share of the typical hour from which an hour counts as covered, see step 3."""
_CAMPAIGN: Final = 10
"""The most typical hours that one hour may count for, see step 2."""
_DIGITS: Final = 3


@dataclass(frozen=True)
class Estimate:
    """Events by name over the time that they cover.

    Attributes:
        begin: UNIX seconds at which the first covered cell begins.
        end: UNIX seconds at which the last one ends.
        events: How many events of each name were mapped.
    """

    begin: int
    end: int
    events: Mapping[str, int]

    def a_day(self, name: str) -> int:
        """Return the events of this name in 24 hours, to three digits."""
        return self._rounded(self.events.get(name, 0), 1)

    def a_month(self, name: str) -> int:
        """Return the events of this name in 30 days, to three digits."""
        return self._rounded(self.events.get(name, 0), DAYS_A_MONTH)

    def total(self, days: int) -> int:
        """Return the events of all names in so many days, to three digits."""
        return self._rounded(sum(self.events.values()), days)

    def _rounded(self, count: int, days: int) -> int:
        value = count * days * DAY / (self.end - self.begin)
        return int(float(f"{value:.{_DIGITS}g}") + 0.5)

    def basis(self) -> str:
        """Return a sentence with the covered hours. It warns if they are too few."""
        seconds = self.end - self.begin
        hours = seconds // HOUR
        text = (
            f"Events a day and a month ({DAYS_A_MONTH} days) are estimated from {hours:,} "
            f"{'hour' if hours == 1 else 'hours'} of events, {_moment(self.begin)} to "
            f"{_moment(self.end)} UTC."
        )
        if seconds < DAY:
            return f"{text} That is too little for a good estimate: read a day, or better a week."
        if seconds < WEEK:
            return f"{text} Days of the week differ, so a week gives a better estimate."
        return text


def estimate(timeline: Timeline) -> Estimate | None:
    """Return the estimate for the events of a dry run.

    Args:
        timeline: The number of mapped events by name and time.

    Returns:
        The estimate, or None if there are no events.
    """
    events, cells = Counter[str](), Counter[int]()
    for (name, begin), count in timeline.counts().items():
        events[name] += count
        cells[begin] += count
    if not cells:
        return None
    first, last = _covered(cells, timeline.width)
    return Estimate(first, last + timeline.width, events)


def _covered(cells: Mapping[int, int], width: int) -> tuple[int, int]:
    """Return the first and the last covered cell, see the module's docstring."""
    typical = _typical(cells)
    begins = sorted(cells)
    capped = [min(cells[begin], _CAMPAIGN * typical) for begin in begins]
    few = _OUTSIDE * sum(capped)
    first = begins[_place_beyond(capped, few)]
    last = begins[len(begins) - 1 - _place_beyond(capped[::-1], few)]
    while cells.get(first - width, 0) >= _BUSY * typical:
        first -= width
    while cells.get(last + width, 0) >= _BUSY * typical:
        last += width
    return first, last


def _typical(cells: Mapping[int, int]) -> int:
    """Return the count of the typical cell."""
    counts = sorted(cells.values())
    weights = [math.sqrt(count) for count in counts]
    return counts[_place_beyond(weights, sum(weights) / 2)]


def _place_beyond(values: Sequence[float], amount: float) -> int:
    """Return the first index at which the running sum of the values exceeds an amount."""
    for place, total in enumerate(accumulate(values)):
        if total > amount:
            return place
    return len(values) - 1


def _moment(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%d %H:%M}"
