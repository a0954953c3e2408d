"""Read the headers `Retry-After` and `Date` of responses."""

from __future__ import annotations

import math
import time
from datetime import timezone
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_RETRY_AFTER: Final = 3600.0
"""The most seconds to wait. A longer Retry-After is cut to an hour."""


def retry_after_seconds(header: str | None, now: float | None = None) -> float:
    """Return the seconds in a `Retry-After` header, which may also be an HTTP date.

    Args:
        header: The value of the header, or None.
        now: The present time in UNIX seconds. By default the time of this machine.

    Returns:
        The seconds, at most an hour. 0 without a valid header.
    """
    if not header:
        return 0.0
    try:
        seconds = float(header)
    except ValueError:
        seconds = http_date(header) - (time.time() if now is None else now)
    return min(max(0.0, seconds), LONGEST_RETRY_AFTER) if math.isfinite(seconds) else 0.0


def http_date(header: str) -> float:
    """Return an HTTP date as UNIX seconds, or 0 if it cannot be read. No zone means UTC."""
    try:
        moment = parsedate_to_datetime(header)
        return moment.replace(tzinfo=moment.tzinfo or timezone.utc).timestamp()
    except (ValueError, TypeError, OverflowError):
        return 0.0
