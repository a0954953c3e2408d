"""Waiting between attempts, alike for every service the plugins talk to."""

from __future__ import annotations

import math
import random
import threading
import time
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

import backoff

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_WAIT_SECONDS = 2
LONGEST_WAIT_SECONDS = 60
LONGEST_RETRY_AFTER = 3600.0
"""Whoever asks for more is not believed; no batch is tried again for so long."""
JITTER_SECONDS = (1.0, 5.0)


def retry_waits(jitter: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Yield how many seconds to wait before each new attempt: 2, 4, 8 … 60, plus 1 to 5.

    Source: Mixpanel's advice for `/import`; Braze asks for exponential back-off as well.
    """
    waits = backoff.expo(base=2, factor=FIRST_WAIT_SECONDS, max_value=LONGEST_WAIT_SECONDS)
    next(waits)  # the library's generators begin with an empty step
    for wait in waits:
        yield float(wait or 0) + jitter(*JITTER_SECONDS)


def retry_after_seconds(header: str | None) -> float:
    """Read a `Retry-After` header: seconds or an HTTP date; 0 if none, an hour at most."""
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        seconds = http_date(header) - time.time()
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else 0.0


def http_date(header: str) -> float:
    """Read an HTTP date as UNIX seconds, UTC if it names no zone; 0 if it cannot be read."""
    try:
        moment = parsedate_to_datetime(header)
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0


class SharedPause:
    """One pause for all senders: when one is told to slow down, the others slow down too."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a pause."""
        self._clock = clock
        self._until = clock()
        self._lock = threading.Lock()

    def extend(self, seconds: float) -> None:
        """Let nobody send for so many seconds from now."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def remaining(self) -> float:
        """Return how many seconds are left, 0 if one may send."""
        return max(0.0, self._until - self._clock())
