"""The conditions of a run: its clocks, its file reader, its numbers of threads and its pace."""

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
    """Values that are not settings. Tests replace the defaults."""

    clock: Callable[[], datetime] = utc_now
    """Return the present time in UTC, for the age of files and for `time_extracted`."""
    timer: Callable[[], float] = time.monotonic
    """Return seconds that never run backwards, for the time between two STATE messages."""
    read_file: Callable[[Bucket, RemoteFile], bytes | memoryview] = read_object
    """Read a whole object, with retries."""
    listing_threads: int = LISTING_THREADS
    reading_threads: int = READING_THREADS
    files_ahead: int = FILES_AHEAD
    seconds_between_states: float = 3.0
    records_between_states: int = 50_000
    most_state_share: float = 0.02
    """The share of the run's time and output that STATE may take. A large STATE is written less
    often."""
    most_seconds_without_state: float = 60.0
    """After this time a STATE is written in any case, so that little is repeated after a crash."""
    seconds_between_reports: float = 10.0
    """The seconds between two progress lines."""
    most_failures_in_a_row: int = 10
    """After this many failed reads in a row the run stops reading: the service is probably down, or
    the credentials have expired."""
    most_late_files: int = MOST_LATE_FILES
    most_pending_files: int = MOST_PENDING_FILES
