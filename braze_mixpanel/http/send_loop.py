"""Send a request until it has its answer: the one loop of retries for all clients and threads.

A client gives the loop two functions: one sends the request once, the other judges the answer. The
judge returns None when the answer is final, a `TryAgain` when the same request may succeed later,
and raises when nothing will help. Everything else is here, once: waits that grow, a pause that all
senders share, the limit on the time that one piece of work may take, the stop, the counts and the
log lines.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeVar

from braze_mixpanel.errors import StoppedError, TemporaryError
from braze_mixpanel.http.retry_waits import retry_waits

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

AnswerT = TypeVar("AnswerT")

_STEP_SECONDS: Final = 0.25
"""How soon a waiting sender notices a stop."""


@dataclass(frozen=True)
class TryAgain:
    """A temporary failure: the same request may succeed later.

    Attributes:
        reason: What happened, in a few words without data.
        seconds: How long the service asks to wait; 0 if it does not.
        failure: Makes the error for the end of all patience, from words such as "for 600
            seconds (retry_seconds)".
    """

    reason: str
    seconds: float
    failure: Callable[[str], TemporaryError]


class Patience:
    """How long one piece of work is retried, counted from its first failure. Of one thread."""

    def __init__(self, seconds: float, source: str) -> None:
        """Start to count with the first failure.

        Args:
            seconds: The limit.
            source: Where it comes from, for messages: a setting or a purpose.
        """
        self.seconds = seconds
        self.limit = f"{seconds:.0f} seconds ({source})"
        """The limit in words."""
        self._deadline: float | None = None

    def covers(self, pause: float, now: float) -> bool:
        """Return whether there is time for a pause after a failure; a limit of 0 allows none."""
        if self._deadline is None:
            self._deadline = now + self.seconds
        return now + pause < self._deadline

    def covers_first(self, pause: float) -> bool:
        """Return whether a pause is short enough to wait for the first attempt."""
        return self._deadline is not None or pause <= self.seconds


class SharedPause:
    """One pause for all senders: a service that asks one to slow down means all of them."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a pause.

        Args:
            clock: Seconds that only grow.
        """
        self._clock = clock
        self._until = clock()
        self._lock = threading.Lock()

    def extend(self, seconds: float) -> None:
        """Let no request start for so many seconds from now."""
        with self._lock:
            self._until = max(self._until, self._clock() + seconds)

    def remaining(self) -> float:
        """Return how many seconds are left, 0 if a request may start."""
        return max(0.0, self._until - self._clock())


class SendLoop:
    """Sends requests of one service for any number of threads."""

    def __init__(
        self,
        service: str,
        *,
        logger: logging.Logger,
        waits: Callable[[], Iterator[float]] = retry_waits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Start with nothing sent.

        Args:
            service: Its address or name, for messages.
            logger: Logs each retry and each pause.
            waits: Gives the seconds between the attempts of one request, endlessly.
            clock: Seconds that only grow.
            sleep: Waits so many seconds.
        """
        self.requests = 0
        """Requests sent, retries included."""
        self.retries = 0
        self.in_flight = 0
        """Requests without an answer at this moment."""
        self._service, self._logger = service, logger
        self._waits, self._clock, self._sleep = waits, clock, sleep
        self._pause = SharedPause(clock)
        self._stopped: str | None = None
        self._lock = threading.Lock()

    def send(
        self,
        send_once: Callable[[], AnswerT],
        *,
        judge: Callable[[AnswerT], TryAgain | None],
        patience: Patience,
    ) -> AnswerT:
        """Send a request, and again after each temporary failure.

        Args:
            send_once: Sends it.
            judge: Says what an answer means; raises for what no retry can cure.
            patience: How long the work that this request is part of is retried.

        Returns:
            The final answer.

        Raises:
            TemporaryError: Patience ran out, see `TryAgain.failure`; or the pause that the service
                asked for is longer.
            StoppedError: `stop` was called.
            ConnectorError: What `judge` and `send_once` raise.
        """
        self._require_short_pause(patience)
        waits = self._waits()
        while True:
            self._wait_for_turn()
            answer = self._send_counted(send_once)
            again = judge(answer)
            if again is None:
                return answer
            self.require_going()
            wait = next(waits)
            pause = max(wait, again.seconds)
            if not patience.covers(pause, self._clock()):
                how_long = f"for {patience.limit}"
                if again.seconds > wait:
                    how_long = _too_long(again.seconds, patience)
                raise again.failure(how_long)
            with self._lock:
                self.retries += 1
            self._logger.warning("%s: %s; retrying in %.0f s", self._service, again.reason, pause)
            self._pause.extend(pause)

    def pause(self, seconds: float) -> None:
        """Let no request start for so many seconds: the service says that its limit is reached."""
        if seconds > 0:
            self._logger.info("%s: rate limit reached; waiting %.0f s", self._service, seconds)
            self._pause.extend(seconds)

    def stop(self, message: str) -> None:
        """Start no more requests: senders raise `StoppedError`, those that wait within a moment.

        It takes no lock, so a signal handler may call it.

        Args:
            message: Of the error.
        """
        self._stopped = message

    def require_going(self) -> None:
        """Raise `StoppedError` if `stop` was called, for waits outside of the loop."""
        if self._stopped is not None:
            raise StoppedError(self._stopped)

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped is not None

    def _require_short_pause(self, patience: Patience) -> None:
        remaining = self._pause.remaining()
        if not patience.covers_first(remaining):
            raise TemporaryError(
                f"{self._service}: rate limit reached, {_too_long(remaining, patience)}. Run again "
                "later for the rest."
            )

    def _wait_for_turn(self) -> None:
        """Wait until the shared pause, which may grow meanwhile, is over.

        Short steps and no `threading.Event`: a signal handler that sets an event while this very
        thread waits for it can find the event's lock taken, and never return.
        """
        while True:
            self.require_going()
            remaining = self._pause.remaining()
            if not remaining:
                return
            self._sleep(min(remaining, _STEP_SECONDS))

    def _send_counted(self, send_once: Callable[[], AnswerT]) -> AnswerT:
        with self._lock:
            self.in_flight += 1
            self.requests += 1
        try:
            return send_once()
        finally:
            with self._lock:
                self.in_flight -= 1


def _too_long(seconds: float, patience: Patience) -> str:
    return f"with a wait of {seconds:.0f} seconds, more than is left of {patience.limit}"
