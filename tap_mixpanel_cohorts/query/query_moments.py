"""Read times from a STATE, which another program may have changed. Pure."""

from __future__ import annotations

import math
from decimal import Decimal


def moments(given: object) -> dict[str, float]:
    """Read moments; whatever is none costs that one moment.

    Args:
        given: An object or a list with times in UNIX seconds.

    Returns:
        Key, or index in the list → time in UNIX seconds.
    """
    if isinstance(given, list):
        given = {str(place): moment for place, moment in enumerate(given)}
    return {
        key: float(moment)
        for key, moment in (given.items() if isinstance(given, dict) else ())
        if isinstance(moment, int | float | Decimal)  # the SDK reads --state with decimals
        and not isinstance(moment, bool)
        and math.isfinite(moment)
    }
