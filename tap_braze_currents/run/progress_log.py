"""Log the progress of a run every few seconds, also while it waits."""

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
    """The progress of a run."""

    files: int
    """Files read."""
    records: int
    """Records emitted."""
    planned: int
    """Files to read, as far as they are listed."""
    is_listed: bool
    """Whether the listing is complete."""
    hour: str
    """The hour reached, or empty."""


class Measured(Protocol):
    """The part of a run that the progress log uses."""

    def done(self) -> Done:
        """Return the progress so far. Called from another thread."""


class ProgressLines:
    """Format the progress lines. Keeps the last counts to compute rates."""

    def __init__(self, begun_at: float) -> None:
        """Start to count.

        Args:
            begun_at: When the run began, in seconds.
        """
        self._begun_at = begun_at
        self._last: deque[tuple[float, Done]] = deque(
            [(begun_at, Done(0, 0, 0, is_listed=False, hour=""))], maxlen=1
        )

    def line(self, done: Done, now: float) -> str:
        """Return the line for the time since the last line.

        Args:
            done: The progress so far.
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
        """Return the line for the whole run."""
        seconds = max(now - self._begun_at, 1e-3)
        return (
            f"{done.files:,} files with {done.records:,} records read in {seconds:,.1f} s: "
            f"{done.files / seconds:,.0f} files and {done.records / seconds:,.0f} records a second."
        )


class ProgressLog:
    """Log a line every few seconds from its own thread, and a closing line for the whole run."""

    def __init__(self, timer: Callable[[], float], begun_at: float, every: float) -> None:
        """Create the log. `logging_progress` starts the thread.

        Args:
            timer: Returns the present time in seconds.
            begun_at: When the run began, by the timer.
            every: The seconds between two lines.
        """
        self._timer, self._begun_at, self._every = timer, begun_at, every
        self._lines = ProgressLines(begun_at)
        self._run: Measured | None = None
        self._ended = threading.Event()

    def follow(self, run: Measured) -> None:
        """Log the progress of this run from now on. Before that, the bucket is being listed."""
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
        """Stop, and log the closing line unless the run was shorter than `every` seconds."""
        self._ended.set()
        now = self._timer()
        if self._run is not None and now - self._begun_at >= self._every:
            logger.info("%s", self._lines.closing_line(self._run.done(), now))


@contextmanager
def logging_progress(
    timer: Callable[[], float], begun_at: float, every: float
) -> Iterator[ProgressLog]:
    """Log progress lines in a background thread until the block ends.

    Args:
        timer: Returns the present time in seconds.
        begun_at: When the run began, by the timer.
        every: The seconds between two lines.

    Yields:
        The log. Call `follow` when the run is planned.
    """
    log = ProgressLog(timer, begun_at, every)
    thread = threading.Thread(target=log.report, name="progress")
    thread.start()
    try:
        yield log
    finally:
        log.end()
        thread.join()
