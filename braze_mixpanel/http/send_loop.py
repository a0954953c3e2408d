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
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, TypeVar

from braze_mixpanel.errors import StoppedError, TemporaryError
from braze_mixpanel.http.retry_waits import retry_waits

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

AnswerT = TypeVar("AnswerT")

_STEP_SECONDS: Final = 0.25
"""How soon a waiting sender notices a stop."""
_SECOND: Final = 1.0
_MINUTE: Final = 60


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

    def extend(self, seconds: float) -> bool:
        """Let no request start for so many seconds from now.

        Returns:
            Whether the pause is longer now, by a second at least.
        """
        with self._lock:
            now, before = self._clock(), self._until
            self._until = max(before, now + seconds)
            return self._until >= max(before, now) + min(_SECOND, seconds)

    def remaining(self) -> float:
        """Return how many seconds are left, 0 if a request may start."""
        return max(0.0, self._until - self._clock())


class Gate(Protocol):
    """Lets only so many requests through: `AdaptiveGate`, `SharedRateLimit`, or `OpenGate`."""

    def enter(self, seconds: float) -> int | None:
        """Wait for a place, so many seconds at most; returns what `leave` takes, None without."""

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        """Give a place back after an answer that took so long."""

    def give_up(self) -> None:
        """Give a place back after an error."""


class OpenGate:
    """Lets every request through."""

    def enter(self, seconds: float) -> int | None:
        """Return at once."""
        del seconds  # nothing to wait for
        return 0

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        """Do nothing."""

    def give_up(self) -> None:
        """Do nothing."""


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
        gate: Gate | None = None,
    ) -> None:
        """Start with nothing sent.

        Args:
            service: Its address or name, for messages.
            logger: Logs each retry and each pause.
            waits: Gives the seconds between the attempts of one request, endlessly.
            clock: Seconds that only grow.
            sleep: Waits so many seconds.
            gate: Says how many requests may be in flight; by default there is no limit.
        """
        self.requests = 0
        """Requests sent, retries included."""
        self.retries = 0
        self.retries_by_minute: Counter[int] = Counter()
        """Minute of the run → how many requests were sent again."""
        self._began_at = clock()
        self.in_flight = 0
        """Requests without an answer at this moment."""
        self._service, self._logger = service, logger
        self._waits, self._clock, self._sleep = waits, clock, sleep
        self._gate = gate or OpenGate()
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
        waits = self._waits()
        while True:
            entered = self._wait_for_turn(patience)
            began = self._clock()
            try:
                answer = self._send_counted(send_once)
                seconds = self._clock() - began
                again = judge(answer)
                if again is not None:
                    self._pause_before_retry(again, next(waits), patience)
            except BaseException:
                self._gate.give_up()
                raise
            # After the pause has begun: a sender that gets this place must not send in spite of it.
            self._gate.leave(entered, seconds, refused=again is not None)
            if again is None:
                return answer

    def pause(self, seconds: float) -> None:
        """Let no request start for so many seconds: the service says that its limit is reached."""
        if seconds > 0 and self._pause.extend(seconds):
            self._logger.info("%s: rate limit reached; waiting %.0f s", self._service, seconds)

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
    def paused_for(self) -> float:
        """For how many seconds no request starts, because the service asked for it or failed."""
        return self._pause.remaining()

    @property
    def is_stopped(self) -> bool:
        """Whether `stop` was called."""
        return self._stopped is not None

    def _require_short_pause(self, remaining: float, patience: Patience) -> None:
        if not patience.covers_first(remaining):
            raise TemporaryError(
                f"{self._service}: rate limit reached, {_too_long(remaining, patience)}. Run again "
                "later for the rest."
            )

    def _pause_before_retry(self, again: TryAgain, wait: float, patience: Patience) -> None:
        """Let all senders pause after a temporary failure; raise it if there is no more time."""
        self.require_going()
        pause = max(wait, again.seconds)
        if not patience.covers(pause, self._clock()):
            how_long = f"for {patience.limit}"
            if again.seconds > wait:
                how_long = _too_long(again.seconds, patience)
            raise again.failure(how_long)
        with self._lock:
            self.retries += 1
            self.retries_by_minute[int((self._clock() - self._began_at) // _MINUTE)] += 1
        self._logger.warning("%s: %s; retrying in %.0f s", self._service, again.reason, pause)
        self._pause.extend(pause)

    def _wait_for_turn(self, patience: Patience) -> int:
        """Wait for a place at the gate, and until the shared pause, which may grow, is over.

        Short steps and no `threading.Event`: a signal handler that sets an event while this very
        thread waits for it can find the event's lock taken, and never return.
        """
        while True:
            self.require_going()
            remaining = self._pause.remaining()
            self._require_short_pause(remaining, patience)
            if remaining:
                self._sleep(min(remaining, _STEP_SECONDS))
                continue
            entered = self._gate.enter(_STEP_SECONDS)
            if entered is None:
                continue
            if not self._pause.remaining() and not self.is_stopped:
                return entered
            self._gate.give_up()  # the pause began while this sender waited for its place

    def _send_counted(self, send_once: Callable[[], AnswerT]) -> AnswerT:
        with self._lock:
            self.in_flight += 1
            self.requests += 1
        try:
            return send_once()
        finally:
            with self._lock:
                self.in_flight -= 1


class CountedRequests:
    """Base of what sends by a `SendLoop`: how its requests stand; any thread may ask."""

    def __init__(self, loop: SendLoop) -> None:
        """Count what a loop sends."""
        self._loop = loop

    @property
    def requests(self) -> int:
        """How many requests were sent, those sent again included."""
        return self._loop.requests

    @property
    def retries(self) -> int:
        """How many requests were sent again."""
        return self._loop.retries

    @property
    def retries_by_minute(self) -> Mapping[int, int]:
        """Minute of the run → how many requests were sent again."""
        return self._loop.retries_by_minute

    @property
    def in_flight(self) -> int:
        """How many requests have no answer at this moment."""
        return self._loop.in_flight

    @property
    def paused_for(self) -> float:
        """For how many seconds no request starts, after a failure."""
        return self._loop.paused_for


def _too_long(seconds: float, patience: Patience) -> str:
    return f"with a wait of {seconds:.0f} seconds, more than is left of {patience.limit}"
