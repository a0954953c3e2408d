"""How far each stream has come in a run, and the table that tells it at the end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from braze_mixpanel.tables import text_table
from tap_braze_currents.bucket.layout import to_datetime

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from tap_braze_currents.bucket.layout import FileKey
    from tap_braze_currents.planning.bookmark import Bookmark
    from tap_braze_currents.planning.plan import Waiting

_HEADINGS = ("stream", "files", "records", "newest hour", "hours behind", "still waiting")


@dataclass
class Progress:
    """How far a stream has come in this run."""

    stream: str
    bookmark: Bookmark
    files: int = 0
    records: int = 0
    reached_hour: str = ""
    """Hour of the last file read of the open hours; earlier ones have been worked through."""
    late: int = 0
    """Files of hours that were sealed before this run."""
    is_complete: bool = False
    """Whether the file just read was read to its end."""
    unread: set[FileKey] = field(default_factory=set)
    """Files that failed; the next run tries them again."""
    has_changed: bool = True
    """Since the last STATE."""


def table(streams: Iterable[tuple[Progress, Waiting]], now: datetime) -> str:
    """Tell what was read and what was not, one line a stream.

    Args:
        streams: The progress of each, and the files that it leaves for later runs.
        now: When the run began.
    """
    return text_table(_HEADINGS, [_row(progress, waiting, now) for progress, waiting in streams])


def _row(progress: Progress, waiting: Waiting, now: datetime) -> tuple[str | int, ...]:
    newest = progress.bookmark.newest_hour
    behind = max(0, int((now - to_datetime(newest)).total_seconds()) // 3600) if newest else ""
    return (
        progress.stream,
        progress.files,
        progress.records,
        newest,
        behind,
        _left(progress, waiting)
        + (f" ({progress.late} files came after their hour was sealed)" if progress.late else ""),
    )


def _left(progress: Progress, waiting: Waiting) -> str:
    reasons = {
        "too young for settle_seconds": len(waiting.unsettled),
        "beyond max_files_per_run": waiting.beyond_limit,
        "unreadable": len(progress.unread),
    }
    left = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return (left or "none") + (" or more" if waiting.more else "")
