"""Keep the rate limit that a service states in its responses, over all senders.

Source: Braze's API reference, rate limits. Each response has the headers `X-RateLimit-Limit` and
`X-RateLimit-Remaining`, for a window that ends at `X-RateLimit-Reset` (UNIX seconds).
"""

from __future__ import annotations

import math
import threading
import time
from typing import TYPE_CHECKING, NamedTuple

from braze_mixpanel.http.response_headers import LONGEST_RETRY_AFTER

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class RateLimit(NamedTuple):
    """The rate limit in one response.

    Attributes:
        remaining: The requests that are left in the window.
        seconds: The seconds until the window ends, at most an hour. 0 if the header is missing.
        limit: The requests in a whole window. None if the header is missing.
    """

    remaining: int
    seconds: float
    limit: int | None = None


def read_rate_limit(headers: Mapping[str, str], now: float) -> RateLimit | None:
    """Return the rate limit in the headers of a response.

    Args:
        headers: The headers.
        now: The service's time in UNIX seconds, from the header Date. With a wrong clock of this
            machine, a window would seem to last for hours.

    Returns:
        The rate limit, or None if the headers have none.
    """
    reset, remaining = headers.get("X-RateLimit-Reset"), headers.get("X-RateLimit-Remaining")
    if reset is None and remaining is None:
        return None
    seconds = _number(reset) - now
    limit = _number(headers.get("X-RateLimit-Limit"))
    return RateLimit(
        remaining=int(_number(remaining) if remaining is not None else 0.0),
        seconds=min(max(0.0, seconds), LONGEST_RETRY_AFTER),
        limit=int(limit) if limit > 0 else None,
    )


def _number(header: str | None) -> float:
    """Return the number in a header, or 0."""
    try:
        number = float(header or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


class SharedRateLimit:
    """Start no more requests than the service still accepts in its window.

    A response states how many requests were left when the service processed it. Requests in flight
    may be counted in this number or not. They are subtracted to be safe.

    If the service still answers 429, because other programs use the same limit, only one request at
    a time is sent after the pause. Each accepted request then doubles the number.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a limit.

        Args:
            most: The most requests in flight.
            clock: Returns seconds that never run backwards.
        """
        self._most, self._clock = most, clock
        self._at_once = most
        self._in_flight = 0
        self._limit: int | None = None
        self._remaining: int | None = None
        self._until = math.inf
        self._paused_until = -math.inf
        self._changed = threading.Condition()

    def enter(self, seconds: float) -> int | None:
        """Wait for the permission to send one request.

        Args:
            seconds: The most seconds to wait.

        Returns:
            A number to pass to `leave`, or None if the request must wait longer.
        """
        with self._changed:
            if not self._is_free():
                self._changed.wait(min(seconds, max(0.0, self._until - self._clock())))
            if not self._is_free():
                return None
            self._in_flight += 1
            return 0

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        """Return the permission of a request after a response."""
        del entered, seconds, refused  # `saw` has already processed the response
        self.give_up()

    def give_up(self) -> None:
        """Return the permission of a request after an error."""
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()

    def _is_free(self) -> bool:
        if self._clock() >= self._until:
            # A new window has begun. Its end is known with the first response in it.
            self._remaining, self._until = self._limit, math.inf
        most = self._at_once
        if self._remaining is not None:
            most = min(most, self._remaining)
        return self._in_flight < most

    def saw(self, stated: RateLimit | None, *, refused: bool) -> None:
        """Update the limit from a response. Call it before `leave`.

        Args:
            stated: The rate limit in the headers of the response.
            refused: Whether the service refused the request because of its rate limit.
        """
        with self._changed:
            now = self._clock()
            if refused:
                self._at_once = 1
                self._paused_until = now + (stated.seconds if stated else 0.0)
            elif now >= self._paused_until:
                self._at_once = min(self._at_once * 2, self._most)
            if stated is not None and stated.seconds:
                self._note_window(stated, now)
            self._changed.notify_all()

    def _note_window(self, stated: RateLimit, now: float) -> None:
        self._limit = stated.limit or self._limit
        # The smallest number of remaining requests is kept, with the end of its window: responses
        # may arrive in another order, and a service may have several limits.
        if (
            self._remaining is None
            or math.isinf(self._until)
            or stated.remaining <= self._remaining
        ):
            self._remaining, self._until = stated.remaining, now + stated.seconds
