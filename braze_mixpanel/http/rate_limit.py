"""The rate limit that a service states in its answers, kept by all senders together.

Source: Braze's API reference, rate limits. Each answer has the headers `X-RateLimit-Limit` and
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
    """What one answer says.

    Attributes:
        remaining: Requests that are left in the window.
        seconds: Until the window ends, an hour at most; 0 if the answer does not say.
        limit: Requests of a whole window; None if the answer does not say.
    """

    remaining: int
    seconds: float
    limit: int | None = None


def read_rate_limit(headers: Mapping[str, str], now: float) -> RateLimit | None:
    """Read the headers of an answer.

    Args:
        headers: Its headers.
        now: The service's clock in UNIX seconds: the answer's `Date`. By this machine's clock a
            window would seem to last hours where that clock is wrong.

    Returns:
        The limit; None if the answer states none.
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
    """Read a number; 0 if it is none."""
    try:
        number = float(header or 0)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0


class SharedRateLimit:
    """Lets no more requests start than the service still accepts in its window.

    An answer says how many requests were left when the service took that request. Those that are
    in flight may count already or not, so they are taken off: this never starts too many.

    A service that answers 429 all the same, because other programs use the limit too, gets one
    request at a time after its pause. Each accepted request then doubles how many go at once.
    """

    def __init__(self, most: int, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a limit.

        Args:
            most: Most requests in flight.
            clock: Seconds that only grow.
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
        """Take the turn of one request.

        Args:
            seconds: How long to wait for it, at most.

        Returns:
            What `leave` takes; None if the request must go on waiting.
        """
        with self._changed:
            if not self._is_free():
                self._changed.wait(min(seconds, max(0.0, self._until - self._clock())))
            if not self._is_free():
                return None
            self._in_flight += 1
            return 0

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        """Give the turn of a request back."""
        del entered, seconds, refused  # `saw` knows more
        self.give_up()

    def give_up(self) -> None:
        """Give the turn of a request back after an error."""
        with self._changed:
            self._in_flight -= 1
            self._changed.notify()

    def _is_free(self) -> bool:
        if self._clock() >= self._until:
            # The end of the new window is known with its first answer.
            self._remaining, self._until = self._limit, math.inf
        most = self._at_once
        if self._remaining is not None:
            most = min(most, self._remaining)
        return self._in_flight < most

    def saw(self, stated: RateLimit | None, *, refused: bool) -> None:
        """Note what an answer says, while its request still has its turn.

        Args:
            stated: The limit in its headers.
            refused: Whether the service refused the request because of its limit.
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
        # The smallest number counts, with the end of its window: an answer may overtake another
        # one, and a service may have several limits.
        if (
            self._remaining is None
            or math.isinf(self._until)
            or stated.remaining <= self._remaining
        ):
            self._remaining, self._until = stated.remaining, now + stated.seconds
