"""Log the progress of a run every ten seconds, also while it waits."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

INTERVAL_SECONDS = 10.0
_LEAST_SECONDS = 1e-3


class Done(NamedTuple):
    """The progress of a run.

    Attributes:
        records: Members and profiles read.
        is_read: Whether the input has ended.
        sent: People whom Braze has accepted or refused.
        planned: People to send, or None until the plan is made.
        in_flight: Requests that are waiting for a response.
        retries: Requests that were retried.
        pause: The seconds until the next request may start. 0 if there is no pause.
    """

    records: int
    is_read: bool = False
    sent: int = 0
    planned: int | None = None
    in_flight: int = 0
    retries: int = 0
    pause: float = 0.0


class Measured(Protocol):
    """The part of a run that the progress log uses."""

    def progress(self) -> Done:
        """Return the progress so far. Called from another thread."""


class ProgressLines:
    """Format the progress lines. Keeps the last counts to compute rates."""

    def __init__(self, begun_at: float) -> None:
        """Start to count.

        Args:
            begun_at: When the run began, in seconds.
        """
        self._at = begun_at
        self._last = Done(0)

    def line(self, done: Done, now: float) -> str:
        """Return the line for the time since the last line.

        Args:
            done: The progress so far.
            now: The present time in seconds.
        """
        seconds, last = max(now - self._at, _LEAST_SECONDS), self._last
        self._at, self._last = now, done
        if not done.is_read:
            rate = (done.records - last.records) / seconds
            return f"{done.records:,} members and profiles read, {rate:,.0f} a second."
        if done.planned is None:
            return f"Comparing {done.records:,} members and profiles with what Braze has."
        rate = (done.sent - last.sent) / seconds
        text = f"{done.sent:,} of {done.planned:,} people sent, {rate:,.0f} a second"
        if rate and done.planned > done.sent:
            text += f", about {(done.planned - done.sent) / rate:,.0f} s left"
        if done.pause:
            text += f"; next request in {done.pause:,.0f} s"
        return f"{text}; {done.in_flight} requests in flight, {done.retries} retries."


@contextmanager
def logged_progress(
    run: Measured, logger: logging.Logger, clock: Callable[[], float], every: float
) -> Iterator[None]:
    """Log progress lines in a background thread until the block ends.

    Args:
        run: The run to report.
        logger: The logger for the lines.
        clock: Returns seconds that never run backwards.
        every: The seconds between two lines.
    """
    lines = ProgressLines(clock())
    ended = threading.Event()

    def report() -> None:
        while not ended.wait(every):
            logger.info("%s", lines.line(run.progress(), clock()))

    thread = threading.Thread(target=report, name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
