"""What a run takes as given: its clocks, the way to read an object, and how it paces itself."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from tap_braze_currents.bucket.reading_ahead import FILES_AHEAD, READING_THREADS, read_object
from tap_braze_currents.planning.bookmark import MOST_LATE_FILES, MOST_PENDING_FILES

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_braze_currents.bucket.store import Bucket, RemoteFile

LISTING_THREADS = 32


def utc_now() -> datetime:
    """Return the present time in UTC."""
    return datetime.now(timezone.utc)


@dataclass(frozen=True)
class RunConditions:
    """No setting changes these; tests pass others than the defaults."""

    clock: Callable[[], datetime] = utc_now
    """The present time, aware; for file ages and `time_extracted`."""
    timer: Callable[[], float] = time.monotonic
    """Seconds that never run backwards; for the time between two STATE messages."""
    read_file: Callable[[Bucket, RemoteFile], bytes | memoryview] = read_object
    """Reads a whole object, with retries."""
    listing_threads: int = LISTING_THREADS
    reading_threads: int = READING_THREADS
    files_ahead: int = FILES_AHEAD
    seconds_between_states: float = 3.0
    records_between_states: int = 50_000
    most_state_share: float = 0.02
    """Of the run's time and of its output: a large STATE goes out less often."""
    most_seconds_without_state: float = 60.0
    """After so long one goes out all the same, so that a crash repeats little."""
    seconds_between_reports: float = 10.0
    """Between two lines that say how far the run is."""
    most_failures_in_a_row: int = 10
    """After so many unreadable files in a row, the service is down or the credentials expired."""
    most_late_files: int = MOST_LATE_FILES
    most_pending_files: int = MOST_PENDING_FILES
