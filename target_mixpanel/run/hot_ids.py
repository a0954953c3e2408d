"""Find ids with so many events on one day that Mixpanel quarantines them.

If a `distinct_id` has more than 200,000 events on one day (the "hot shard" limit), Mixpanel
quarantines or renames them, without an error. The usual cause is one constant id for many people.

To keep this cheap, only one event in 32 is counted, and its id is cut out of the event's JSON. The
count is an estimate with an error of about 1 %, so the warning comes 5 % below the limit.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_EVENTS_A_DAY: Final = 200_000
"""Mixpanel's limit for one id."""
EVERY: Final = 32
"""One event in 32 is counted."""
_WARN_AT: Final = int(MOST_EVENTS_A_DAY * 0.95) // EVERY
_MOST_COUNTERS: Final = 20_000
"""The most pairs of day and id in memory. If there are more, the smaller counts are dropped."""
_MOST_WARNINGS: Final = 5
_SECONDS_PER_DAY: Final = 86_400
_BEFORE_ID: Final = b'"distinct_id":"'
_AFTER_ID: Final = b'","$insert_id":'
_SHOWN_FROM: Final = 8
"""Of shorter ids, only the first character is shown."""


class HotIds:
    """Estimate the events of each id and day, and warn once of each id above the limit."""

    def __init__(self, warn: Callable[[str], object]) -> None:
        """Start with all counts at zero.

        Args:
            warn: Called with a warning.
        """
        self._warn = warn
        self._counts: dict[tuple[int, bytes], int] = {}
        self._reported: set[bytes] = set()
        self._next = 0
        """The index of the next event to count, in the next batch."""

    def saw(self, bodies: list[bytes], times: list[float]) -> None:
        """Count the events of a batch by day and `distinct_id`.

        Args:
            bodies: The JSON of each event.
            times: The time of each event in UNIX seconds.
        """
        counts = self._counts
        size = len(bodies)
        for place in range(self._next, size, EVERY):
            body = bodies[place]
            start = body.find(_BEFORE_ID) + len(_BEFORE_ID)
            end = body.find(_AFTER_ID, start)
            if end <= start:
                continue  # an empty id has no limit in Mixpanel
            key = int(times[place]) // _SECONDS_PER_DAY, body[start:end]
            count = counts[key] = counts.get(key, 0) + 1
            if count == _WARN_AT:
                self._report(key[1])
        # Start one event later in each batch. Otherwise input with a period of 32 would always show
        # the same event.
        self._next = (self._next - size + 1) % EVERY
        if len(counts) > _MOST_COUNTERS:
            heavier = heapq.nlargest(_MOST_COUNTERS // 2, counts, key=counts.__getitem__)
            self._counts = {key: counts[key] for key in heavier}

    def _report(self, written: bytes) -> None:
        if written in self._reported or len(self._reported) >= _MOST_WARNINGS:
            return
        self._reported.add(written)
        distinct_id: str = msgspec.json.decode(b'"' + written + b'"')
        self._warn(
            f"The distinct_id {masked_id(distinct_id)} has about {MOST_EVENTS_A_DAY:,} events or "
            "more on one day: Mixpanel quarantines or renames the events of such an id. Is it one "
            "id for many people? Leave it empty in the source, or see anonymous_events."
        )


def masked_id(distinct_id: str) -> str:
    """Return an id with most characters replaced, so that only its owner can recognise it."""
    if len(distinct_id) < _SHOWN_FROM:
        return f"{distinct_id[:1]}… ({len(distinct_id)} characters)"
    return f"{distinct_id[:2]}…{distinct_id[-2:]} ({len(distinct_id)} characters)"
