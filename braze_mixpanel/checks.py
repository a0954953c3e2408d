"""Checks of settings that both targets make."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def parse_ratio(value: float | str) -> float:
    """Read a ratio; text is allowed because Meltano fails on decimals from the environment.

    Raises:
        ValueError: It is no number from 0 to 1.
    """
    ratio = float(value)
    if not 0 <= ratio <= 1:
        raise ValueError(value)
    return ratio


def is_safe_url(url: str) -> bool:
    """Tell whether personal data may be sent there: by https, or to this machine."""
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        return False
    return bool(host) and (
        parts.scheme == "https" or (parts.scheme == "http" and host in _LOOPBACK)
    )
