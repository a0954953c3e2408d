"""Reads the moments in a STATE, which another program may have changed. Pure."""

from __future__ import annotations

import math
from decimal import Decimal


def moments(given: object) -> dict[str, float]:
    """Read moments; whatever is none costs that one moment.

    Args:
        given: An object of moments in UNIX seconds, or a list of them.

    Returns:
        Key, or place in the list → moment.
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
