"""Logs every few seconds how far a run is, also while it waits."""

from __future__ import annotations

import logging
import threading
from collections import deque
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger("tap-braze-currents")


class Done(NamedTuple):
    """How far a run is."""

    files: int
    records: int
    planned: int
    """Files to read, as far as they are listed."""
    is_listed: bool
    """Whether the listing is complete."""
    hour: str
    """The hour reached."""


class Measured(Protocol):
    """A run, as far as it is reported here."""

    def done(self) -> Done:
        """Return how far it is; called from another thread."""


class ProgressLines:
    """Makes the lines; keeps the last counts for the rate."""

    def __init__(self, begun_at: float) -> None:
        """Begin to count.

        Args:
            begun_at: When the run began, in seconds.
        """
        self._begun_at = begun_at
        self._last: deque[tuple[float, Done]] = deque(
            [(begun_at, Done(0, 0, 0, is_listed=False, hour=""))], maxlen=1
        )

    def line(self, done: Done, now: float) -> str:
        """Return the line for the time since the last one.

        Args:
            done: How far the run is.
            now: The present time in seconds.
        """
        at, before = self._last[-1]
        self._last.append((now, done))
        seconds = max(now - at, 1e-3)
        files = (done.files - before.files) / seconds
        records = (done.records - before.records) / seconds
        planned = f"{done.planned:,}" + ("" if done.is_listed else " or more")
        text = f"{done.files:,} of {planned} files read"
        if done.hour:
            text += f", hour {done.hour} reached"
        text += f"; {files:,.0f} files and {records:,.0f} records a second"
        if done.is_listed and files > 0 and done.planned > done.files:
            text += f", about {(done.planned - done.files) / files:,.0f} s left"
        return text + "."

    def closing_line(self, done: Done, now: float) -> str:
        """Return the line about the whole run."""
        seconds = max(now - self._begun_at, 1e-3)
        return (
            f"{done.files:,} files with {done.records:,} records read in {seconds:,.1f} s: "
            f"{done.files / seconds:,.0f} files and {done.records / seconds:,.0f} records a second."
        )


class ProgressLog:
    """Logs a line every few seconds, from a thread of its own, and one about the whole run."""

    def __init__(self, timer: Callable[[], float], begun_at: float, every: float) -> None:
        """Prepare; `logging_progress` starts the thread.

        Args:
            timer: The present time in seconds.
            begun_at: When the run began, by the timer.
            every: Seconds between two lines.
        """
        self._timer, self._begun_at, self._every = timer, begun_at, every
        self._lines = ProgressLines(begun_at)
        self._run: Measured | None = None
        self._ended = threading.Event()

    def follow(self, run: Measured) -> None:
        """Report this run from now on; until then the bucket is being listed."""
        self._run = run

    def report(self) -> None:
        """Log a line every few seconds until `end`."""
        while not self._ended.wait(self._every):
            now = self._timer()
            if self._run is None:
                logger.info("Listing the bucket, for %.0f s so far.", now - self._begun_at)
            else:
                logger.info("%s", self._lines.line(self._run.done(), now))

    def end(self) -> None:
        """Log the closing line, unless the run was so short that there was no other line."""
        self._ended.set()
        now = self._timer()
        if self._run is not None and now - self._begun_at >= self._every:
            logger.info("%s", self._lines.closing_line(self._run.done(), now))


@contextmanager
def logging_progress(
    timer: Callable[[], float], begun_at: float, every: float
) -> Iterator[ProgressLog]:
    """Log how far a run is as long as the block runs, also while it waits.

    Args:
        timer: The present time in seconds.
        begun_at: When the run began, by the timer.
        every: Seconds between two lines.
    """
    log = ProgressLog(timer, begun_at, every)
    thread = threading.Thread(target=log.report, name="progress")
    thread.start()
    try:
        yield log
    finally:
        log.end()
        thread.join()
