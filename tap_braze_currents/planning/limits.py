"""The settings that decide which files a run reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """The settings that choose the files. Hours are texts such as `2026-11-01-13` (UTC)."""

    start_hour: str = ""
    """The first hour to read. Empty: from the oldest hour on."""
    end_hour: str = ""
    """The first hour not to read. Empty: no end."""
    lookback_hours: int = 48
    settle_seconds: int = 60
    max_files: int | None = None
    sweep: bool = False
