"""Send a request until it has a final response: the retry loop of all clients and threads.

A client passes two functions to the loop. One sends the request once. The other judges the
response: it returns None for a final response and a `TryAgain` if a retry may succeed, and it
raises if no retry can help. All the rest is in this module only: back-off, a pause that all senders
share, the time limit of one piece of work, the stop, the counts and the log lines.
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
"""How often a waiting sender checks whether it was stopped."""
_SECOND: Final = 1.0
_MINUTE: Final = 60


@dataclass(frozen=True)
class TryAgain:
    """A temporary failure: the same request may succeed later.

    Attributes:
        reason: What happened, in a few words without data.
        seconds: The seconds that the service asks to wait, or 0.
        failure: Returns the error for when the time is over. Its argument is a text such as "for
            600 seconds (retry_seconds)".
    """

    reason: str
    seconds: float
    failure: Callable[[str], TemporaryError]


class Patience:
    """The time for retries of one piece of work, from its first failure. For one thread only."""

    def __init__(self, seconds: float, source: str) -> None:
        """Create it. The time starts with the first failure.

        Args:
            seconds: The time in seconds.
            source: The setting or purpose of the limit, for messages.
        """
        self.seconds = seconds
        self.limit = f"{seconds:.0f} seconds ({source})"
        """The limit in words."""
        self._deadline: float | None = None

    def covers(self, pause: float, now: float) -> bool:
        """Return whether there is time for a pause after a failure. With 0 seconds there is none.

        Args:
            pause: The pause in seconds.
            now: The present time in seconds, by the clock of the loop.
        """
        if self._deadline is None:
            self._deadline = now + self.seconds
        return now + pause < self._deadline

    def covers_first(self, pause: float) -> bool:
        """Return whether a pause before the first attempt is short enough."""
        return self._deadline is not None or pause <= self.seconds


class SharedPause:
    """A pause that all senders share. If a service asks one sender to wait, all senders wait."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Start without a pause.

        Args:
            clock: Returns seconds that never run backwards.
        """
        self._clock = clock
        self._until = clock()
        self._lock = threading.Lock()

    def extend(self, seconds: float) -> bool:
        """Extend the pause to a number of seconds from now.

        Returns:
            Whether the pause has become longer by at least a second.
        """
        with self._lock:
            now, before = self._clock(), self._until
            self._until = max(before, now + seconds)
            return self._until >= max(before, now) + min(_SECOND, seconds)

    def remaining(self) -> float:
        """Return the seconds that are left, or 0 if a request may start."""
        return max(0.0, self._until - self._clock())


class Gate(Protocol):
    """A bound on the requests in flight: `AdaptiveGate`, `SharedRateLimit` or `OpenGate`."""

    def enter(self, seconds: float) -> int | None:
        """Wait for a place, at most `seconds`. Return a number for `leave`, or None."""

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        """Return a place after a response that took `seconds`."""

    def give_up(self) -> None:
        """Return a place after an error."""


class OpenGate:
    """A gate without a bound."""

    def enter(self, seconds: float) -> int | None:
        """Return at once."""
        del seconds  # nothing to wait for
        return 0

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        """Do nothing."""

    def give_up(self) -> None:
        """Do nothing."""


class SendLoop:
    """Send the requests of any number of threads to one service."""

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
            service: The address or name of the service, for messages.
            logger: Logs each retry and each pause.
            waits: Returns an endless iterator of the seconds between the attempts of one request.
            clock: Returns seconds that never run backwards.
            sleep: Waits for a number of seconds.
            gate: Bounds the requests in flight. By default there is no bound.
        """
        self.requests = 0
        """The number of requests that were sent, with retries."""
        self.retries = 0
        self.retries_by_minute: Counter[int] = Counter()
        """Minute of the run → the number of retries."""
        self._began_at = clock()
        self.in_flight = 0
        """The number of requests that are waiting for a response."""
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
        """Send a request, and retry it after each temporary failure.

        Args:
            send_once: Sends the request once, and returns the response.
            judge: Returns None for a final response, or a `TryAgain`. It raises if no retry can
                help.
            patience: The time for retries of the work that this request belongs to.

        Returns:
            The final response.

        Raises:
            TemporaryError: The time is over, see `TryAgain.failure`, or the service asks for a
                longer pause.
            StoppedError: `stop` was called.
            ConnectorError: An error of `judge` or `send_once`.
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
            # Leave the gate only after the pause has begun. Otherwise a waiting sender could take
            # this place and send during the pause.
            self._gate.leave(entered, seconds, refused=again is not None)
            if again is None:
                return answer

    def pause(self, seconds: float) -> None:
        """Start no request for a number of seconds, because the rate limit is reached."""
        if seconds > 0 and self._pause.extend(seconds):
            self._logger.info("%s: rate limit reached; waiting %.0f s", self._service, seconds)

    def stop(self, message: str) -> None:
        """Start no more requests. All senders raise `StoppedError`, waiting senders too.

        This takes no lock, so a signal handler may call it.

        Args:
            message: The message of the error.
        """
        self._stopped = message

    def require_going(self) -> None:
        """Raise `StoppedError` if `stop` was called, for waits outside of the loop."""
        if self._stopped is not None:
            raise StoppedError(self._stopped)

    @property
    def paused_for(self) -> float:
        """The seconds until the next request may start, after a failure or a rate limit."""
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
        """Begin a pause of all senders after a temporary failure. Raise if no time is left."""
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
        """Wait until the shared pause is over and the gate has a place.

        This waits in short steps and not for a `threading.Event`. If a signal handler set the event
        while this same thread waits for it, the handler could wait forever for the event's lock.
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
            self._gate.give_up()  # a pause has begun while this sender waited for the place

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
