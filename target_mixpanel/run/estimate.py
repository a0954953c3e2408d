"""Estimates events a day and a month from the events of a dry run, before the bill comes. Pure.

The rate is the number of events over the hours that they cover. The covered hours are found in the
events' own times, because a target does not see which hours a tap has read. Some events are late by
days (phones that were offline) or have a wrong clock, so the first and the last time say little:

1. The typical hour is the median hour, where an hour weighs the root of its events: neither many
   hours with a late event each nor one hour with a large campaign decides about it.
2. The middle 90 % of the events lie in the covered hours. A campaign counts no more than ten
   typical hours here: else its hour alone would be the middle.
3. From there the hours before and after belong to them as long as they are busy, that is, hold at
   least a tenth of the typical hour. Hours with late events only do not.

All events count, the late ones too: as many come late every day.
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
_BUSY: Final = 0.1
_CAMPAIGN: Final = 10
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
        """Say what the estimate rests on, and that it is rough where that is little."""
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
            return f"{text} Days of the week differ: a week gives a better estimate."
        return text


def estimate(timeline: Timeline) -> Estimate | None:
    """Estimate from what a dry run mapped.

    Args:
        timeline: How many events of each name were mapped when.

    Returns:
        The estimate; None if there are no events.
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
    """Return the first and the last of the covered cells, see the module's text."""
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
    """Return the first place up to which the values sum up to more than an amount."""
    for place, total in enumerate(accumulate(values)):
        if total > amount:
            return place
    return len(values) - 1


def _moment(seconds: int) -> str:
    moment = datetime(1970, 1, 1, tzinfo=timezone.utc) + timedelta(seconds=seconds)
    return f"{moment:%Y-%m-%d %H:%M}"
