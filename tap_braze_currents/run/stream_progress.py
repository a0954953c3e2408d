"""Counts what a run has read of each stream, and makes the table at its end."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from braze_mixpanel.tables import shortened, sum_of, text_table
from tap_braze_currents.bucket.layout import to_datetime
from tap_braze_currents.catalog.event_types import registry

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from tap_braze_currents.bucket.layout import FileKey
    from tap_braze_currents.planning.bookmark import Bookmark
    from tap_braze_currents.planning.files_to_read import Waiting

_HEADINGS = ("stream", "files", "records", "newest hour", "hours behind", "still waiting")
NOTHING_WAITS = "none"


@dataclass
class StreamProgress:
    """What this run has read of a stream, and the bookmark that remembers it."""

    stream: str
    """The name of its bookmark in the state."""
    event_type: str
    """As its folder spells it."""
    bookmark: Bookmark
    files: int = 0
    records: int = 0
    late: int = 0
    """Files of hours that were sealed before this run."""
    unread: set[FileKey] = field(default_factory=set)
    """Files that failed; the next run reads them again."""
    reached_hour: str = ""
    """Hour of the last listed file that was read; all earlier hours are worked through."""
    first_hour: str = ""
    """The oldest hour from which this run has read a file."""
    last_hour: str = ""
    """The newest one; the bookmark's newest hour may be of an earlier run."""
    has_changed: bool = True
    """Whether something was read since the last STATE."""

    def begin_file(self) -> None:
        """Note that the next STATE has to look at this stream again."""
        self.has_changed = True

    def add_records(self, count: int) -> None:
        """Count records that were written."""
        self.records += count

    def mark_read(
        self,
        key: FileKey,
        modified: datetime | None,
        *,
        was_pending: bool,
        event_types: Sequence[str] | None,
    ) -> None:
        """Note that every record of a file has been written.

        Args:
            key: The file.
            modified: When the store last wrote it.
            was_pending: An earlier run could not read it; it came before the listed files.
            event_types: What to remember of the types in a file, see `Bookmark.mark_read`.
        """
        if key.hour and key.hour <= self.bookmark.sealed_hour:
            self.late += 1
        elif not was_pending:
            # A pending file may be newer than listed files that are still to be read, so only
            # listed ones show how far the run has got.
            self.reached_hour = key.hour or self.reached_hour
        if key.hour:
            self.first_hour = min(self.first_hour or key.hour, key.hour)
            self.last_hour = max(self.last_hour, key.hour)
        late = self.bookmark.may_be_late(key, modified)
        self.bookmark.mark_read(key, late=late, event_types=event_types)
        self.files += 1

    def mark_failed(self, key: FileKey) -> None:
        """Note that a file could not be read to its end."""
        self.unread.add(key)
        self.bookmark.mark_failed(key)

    def to_state(
        self, lookback_hours: int, latest_hour: str, unsettled: Iterable[FileKey]
    ) -> dict[str, Any]:
        """Seal what can be sealed, and return the stream's state.

        Args:
            lookback_hours: How long an hour stays open.
            latest_hour: The present hour; folders dated ahead of it seal nothing.
            unsettled: Listed files that are too young to be read in this run.
        """
        # Files are read in the order of their hours. Hours that this run has not reached yet must
        # stay open, even if an earlier run had a longer lookback and read newer ones.
        if self.reached_hour:
            latest = min(latest_hour, self.reached_hour)
            self.bookmark.seal(lookback_hours, latest, [*self.unread, *unsettled])
        self.has_changed = False
        state = self.bookmark.to_state()
        # Of several spellings of an unknown type, a later run must know whose bookmark this is.
        return state if self.event_type in registry() else state | {"event_type": self.event_type}


def progress_table(streams: Iterable[tuple[StreamProgress, Waiting]], now: datetime) -> str:
    """Return a table of what was read and what was not, one line a stream.

    Of many streams, those with files that wait or failed and the largest have lines of their own,
    and one line sums up the others, with the newest hour of them all.

    Args:
        streams: The progress of each, and the files that are left for later runs.
        now: When the run began.
    """
    rows = [_row(progress, waiting, now) for progress, waiting in streams]
    return text_table(
        _HEADINGS,
        shortened(rows, rank=lambda row: (row[-1] != NOTHING_WAITS, int(row[2])), rest_of=_rest),
    )


def _rest(rows: Sequence[tuple[str | int, ...]]) -> tuple[str | int, ...]:
    """Sum up streams that have no line of their own."""
    newest = max(rows, key=lambda row: str(row[3]))
    waiting = sum(row[-1] != NOTHING_WAITS for row in rows)
    return (
        f"… and {len(rows)} more",
        sum_of(rows, 1),
        sum_of(rows, 2),
        *newest[3:5],
        f"in {waiting} of them" if waiting else NOTHING_WAITS,
    )


def _row(progress: StreamProgress, waiting: Waiting, now: datetime) -> tuple[str | int, ...]:
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


def _left(progress: StreamProgress, waiting: Waiting) -> str:
    reasons = {
        "too young for settle_seconds": len(waiting.unsettled),
        "beyond max_files_per_run": waiting.beyond_limit,
        "unreadable": len(progress.unread),
    }
    left = ", ".join(f"{count} {reason}" for reason, count in reasons.items() if count)
    return (left or NOTHING_WAITS) + (" or more" if waiting.more else "")
