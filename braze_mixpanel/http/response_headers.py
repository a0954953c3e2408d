"""Headers of answers that say when: `Retry-After` and `Date`."""

from __future__ import annotations

import math
import time
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_RETRY_AFTER: Final = 3600.0
"""Seconds. A service that asks for more is not believed; no request is retried for so long."""


def retry_after_seconds(header: str | None, now: float | None = None) -> float:
    """Read a `Retry-After` header: seconds or an HTTP date.

    Args:
        header: Its value.
        now: The present in UNIX seconds; the clock's by default.

    Returns:
        Seconds; 0 if there is none, an hour at most.
    """
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        seconds = http_date(header) - (time.time() if now is None else now)
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else 0.0


def http_date(header: str) -> float:
    """Read an HTTP date as UNIX seconds, UTC if it names no zone; 0 if it cannot be read."""
    try:
        moment = parsedate_to_datetime(header)
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
