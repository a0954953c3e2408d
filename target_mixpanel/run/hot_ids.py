"""Finds ids with so many events of one day that Mixpanel sets them aside.

Mixpanel quarantines or renames the events of a `distinct_id` that has more than 200,000 on one day
(its "hot shard" limit), without an error. The usual cause is one constant id for many people.

Only one event of 32 is looked at, and its id is cut out of the event's JSON, so that the hot path
does not notice. The count is an estimate with an error of about 1 %; the limit here is 5 % lower.
"""

from __future__ import annotations

import heapq
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Callable

MOST_EVENTS_A_DAY: Final = 200_000
"""Of one id, Mixpanel's limit."""
EVERY: Final = 32
"""One event of so many is looked at."""
_WARN_AT: Final = int(MOST_EVENTS_A_DAY * 0.95) // EVERY
_MOST_COUNTERS: Final = 20_000
"""Of pairs of day and id. The heavier half is kept when there are more, which bounds the memory."""
_MOST_WARNINGS: Final = 5
_SECONDS_PER_DAY: Final = 86_400
_BEFORE_ID: Final = b'"distinct_id":"'
_AFTER_ID: Final = b'","$insert_id":'
_SHOWN_FROM: Final = 8
"""Shorter ids are masked but for their first character."""


class HotIds:
    """Estimates the events of each id and day, and warns of an id once."""

    def __init__(self, warn: Callable[[str], object]) -> None:
        """Start with nothing counted.

        Args:
            warn: Takes a warning.
        """
        self._warn = warn
        self._counts: dict[tuple[int, bytes], int] = {}
        self._reported: set[bytes] = set()
        self._next = 0
        """Place of the next event to look at, in the next batch."""

    def saw(self, bodies: list[bytes], times: list[float]) -> None:
        """Count a batch of events, by their `time` and `distinct_id`.

        Args:
            bodies: The JSON of each.
            times: Their times in UNIX seconds.
        """
        counts = self._counts
        size = len(bodies)
        for place in range(self._next, size, EVERY):
            body = bodies[place]
            start = body.find(_BEFORE_ID) + len(_BEFORE_ID)
            end = body.find(_AFTER_ID, start)
            if end <= start:
                continue  # an empty id: Mixpanel takes any number of nobody's events
            key = int(times[place]) // _SECONDS_PER_DAY, body[start:end]
            count = counts[key] = counts.get(key, 0) + 1
            if count == _WARN_AT:
                self._report(key[1])
        # One place further each time, so that no pattern of the input falls in step.
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
            f"The distinct_id {masked_id(distinct_id)} has about {MOST_EVENTS_A_DAY:,} events of "
            "one day or more: Mixpanel sets the events of such an id aside or renames them. Is it "
            "one id for many people? Leave it empty in the source, or see anonymous_events."
        )


def masked_id(distinct_id: str) -> str:
    """Mask an id so that its owner recognises it, and nobody else does."""
    if len(distinct_id) < _SHOWN_FROM:
        return f"{distinct_id[:1]}… ({len(distinct_id)} characters)"
    return f"{distinct_id[:2]}…{distinct_id[-2:]} ({len(distinct_id)} characters)"
