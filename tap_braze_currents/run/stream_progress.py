"""Count what a run has read of each stream, and format the table at its end."""

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
    """The progress of one stream in this run, with its bookmark."""

    stream: str
    """The name of the bookmark in the state."""
    event_type: str
    """The event type as its folder spells it."""
    bookmark: Bookmark
    files: int = 0
    records: int = 0
    late: int = 0
    """Files read from hours that were sealed before this run."""
    unread: set[FileKey] = field(default_factory=set)
    """Files that failed; the next run reads them again."""
    reached_hour: str = ""
    """The hour of the last listed file that was read. All earlier hours are done."""
    first_hour: str = ""
    """The oldest hour from which this run has read a file."""
    last_hour: str = ""
    """The newest one; the bookmark's newest hour may be of an earlier run."""
    has_changed: bool = True
    """Whether something was read since the last STATE."""

    def begin_file(self) -> None:
        """Note that the next STATE must include this stream again."""
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
        """Record that all records of a file have been written.

        Args:
            key: The file.
            modified: When the file was last written.
            was_pending: Whether earlier runs could not read it. Such files come before the listed
                files.
            event_types: The event types to keep, see `Bookmark.mark_read`.
        """
        if key.hour and key.hour <= self.bookmark.sealed_hour:
            self.late += 1
        elif not was_pending:
            # Pending files are read first, and may be newer than listed files that are still
            # unread. So only listed files move the hour that the run has reached.
            self.reached_hour = key.hour or self.reached_hour
        if key.hour:
            self.first_hour = min(self.first_hour or key.hour, key.hour)
            self.last_hour = max(self.last_hour, key.hour)
        late = self.bookmark.may_be_late(key, modified)
        self.bookmark.mark_read(key, late=late, event_types=event_types)
        self.files += 1

    def mark_failed(self, key: FileKey) -> None:
        """Record that a file could not be read to its end."""
        self.unread.add(key)
        self.bookmark.mark_failed(key)

    def to_state(
        self, lookback_hours: int, latest_hour: str, unsettled: Iterable[FileKey]
    ) -> dict[str, Any]:
        """Seal the hours that can be sealed, and return the stream's state.

        Args:
            lookback_hours: How many hours an hour stays open.
            latest_hour: The present hour. Folders with a later date seal nothing.
            unsettled: Listed files that are too young to be read in this run.
        """
        # Files are read in the order of their hours. Hours that this run has not reached must stay
        # open, even if an earlier run with a longer lookback has read newer files.
        if self.reached_hour:
            latest = min(latest_hour, self.reached_hour)
            self.bookmark.seal(lookback_hours, latest, [*self.unread, *unsettled])
        self.has_changed = False
        state = self.bookmark.to_state()
        # An unknown event type may occur in several spellings. The state names the spelling of this
        # bookmark, so that a later run assigns it to the same folder.
        return state if self.event_type in registry() else state | {"event_type": self.event_type}


def progress_table(streams: Iterable[tuple[StreamProgress, Waiting]], now: datetime) -> str:
    """Return the table of what was read and what was left, one line for each stream.

    With many streams, only the streams with waiting or failed files and the largest ones have their
    own lines. One line sums up the rest, with the newest hour of them.

    Args:
        streams: The progress of each stream, and the files that it leaves for later runs.
        now: When the run began.
    """
    rows = [_row(progress, waiting, now) for progress, waiting in streams]
    return text_table(
        _HEADINGS,
        shortened(rows, rank=lambda row: (row[-1] != NOTHING_WAITS, int(row[2])), rest_of=_rest),
    )


def _rest(rows: Sequence[tuple[str | int, ...]]) -> tuple[str | int, ...]:
    """Return one line for the streams that have no line of their own."""
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
