"""The settings that decide which files a run reads."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Which files count. Hours are texts such as `2026-11-01-13` (UTC)."""

    start_hour: str = ""
    """First hour to read; empty: all."""
    end_hour: str = ""
    """First hour not to read; empty: none."""
    lookback_hours: int = 48
    settle_seconds: int = 60
    max_files: int | None = None
    sweep: bool = False
