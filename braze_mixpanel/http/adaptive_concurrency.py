"""Adapt the number of requests in flight to a service, from the delays of its responses.

The idea is Vector's adaptive request concurrency: send more requests in parallel while responses
stay fast, and fewer when the service refuses requests or becomes slower. `ConcurrencyLimit` is the
arithmetic, without a clock and without threads. `AdaptiveGate` makes threads wait by this limit.

The arithmetic works in rounds. A round has as many responses as the limit. It counts only requests
that were sent after the limit last changed, so its mean delay belongs to this limit. After a round:

- Grow, if no request was refused, the limit was fully used, and the delay is about the usual one.
  At first the limit doubles. When a number was too high, it becomes the ceiling. Then the limit
  goes half of the way to the ceiling, and tries the ceiling again after 1, 2, 4 … rounds. If the
  ceiling is not too high any more, the limit grows by 1, 2, 4 … requests.
- Try, if the delay is much longer: halve the limit for one round, to find out why. If responses
  become faster, our own requests were the load: keep the half, and try half of that. If they do
  not, the service has become slower for another reason: return to the former limit, and take the
  new delay as the usual one.
- Back off, if requests were refused (429, 503, no response): reduce the limit by half of the share
  that was refused. One refused request of twenty hardly changes it, twenty of twenty halve it.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

AS_FAST: Final = 1.25
"""Up to this factor of the usual delay, responses count as fast."""
SLOWER: Final = 1.5
"""From this factor of the usual delay on, responses count as slow."""
_HELPED: Final = 0.75
"""Fewer requests have helped if the delay is at most this factor of the delay before."""
_FOLLOWS_FASTER: Final = 0.5
_FOLLOWS_SLOWER: Final = 0.1
"""The share of a change in the delay that is added to the usual delay in each round."""
_ROUNDS_BETWEEN: Final = 20
"""After this many rounds that are neither fast nor slow, the usual delay is measured again."""
_MOST_ROUNDS: Final = 32
"""The most rounds before the ceiling is tried again."""


@dataclass
class _Round:
    """The responses to requests that were sent under the same limit."""

    number: int
    served: int = 0
    seconds: float = 0.0
    refused: int = 0
    most_in_flight: int = 0

    @property
    def delay(self) -> float:
        """The mean delay of a response in seconds."""
        return self.seconds / max(1, self.served)


class ConcurrencyLimit:
    """Compute how many requests may be in flight. Pure: no clock, no threads."""

    def __init__(self, bound: int, start: int) -> None:
        """Start with a first limit.

        Args:
            bound: The upper bound of the limit.
            start: The first limit. If `bound` is smaller, it is `bound`.
        """
        self.bound = bound
        self.limit = min(start, bound)
        """The number of requests that may be in flight now, at least 1."""
        self.in_flight = 0
        self._round = _Round(0)
        self._usual_delay: float | None = None
        self._ceiling: int | None = None
        """The lowest limit that was too high. None: no limit was too high yet, so it doubles."""
        self._step = 1
        """The growth of the limit at the ceiling and above it."""
        self._rounds_to_wait = 1
        """The number of good rounds before the ceiling is tried again."""
        self._rounds_waited = 0
        self._trial: tuple[int, float] | None = None
        """The limit and the delay before a trial round with half of the limit. None: no trial."""
        self._rounds_between = 0

    @property
    def is_reached(self) -> bool:
        """Whether no more requests may be sent now."""
        return self.in_flight >= self.limit

    def sent(self) -> int:
        """Count a request that is sent.

        Returns:
            The number of the round, to pass to `answered`.
        """
        self.in_flight += 1
        current = self._round
        current.most_in_flight = max(current.most_in_flight, self.in_flight)
        return current.number

    def answered(self, sent_in: int, seconds: float, *, refused: bool) -> None:
        """Count a response, and adapt the limit at the end of a round.

        Args:
            sent_in: The result of `sent`.
            seconds: The delay of the response in seconds.
            refused: Whether the request must be retried: 429, 503, no response.
        """
        self.in_flight -= 1
        current = self._round
        if sent_in != current.number:
            return  # the request was sent under another limit, so its delay does not count here
        if refused:
            current.refused += 1
        else:
            current.served += 1
            current.seconds += seconds
        if current.served + current.refused >= self.limit:
            self._adapt(current)
            self._round = _Round(current.number + 1, most_in_flight=self.in_flight)

    def given_up(self) -> None:
        """Count a request that ended with an error unrelated to the load of the service."""
        self.in_flight -= 1

    def _adapt(self, done: _Round) -> None:
        if done.refused:
            self._back_off(done)
        elif self._trial is not None:
            self._judge_trial(*self._trial, done.delay)
        elif done.most_in_flight >= self.limit:  # otherwise the limit was not fully used
            self._compare(done.delay)

    def _back_off(self, done: _Round) -> None:
        """Reduce the limit by half of the share of refused requests."""
        tried = min(self.limit, done.most_in_flight)
        # If all requests were refused, the service was down. That does not show how many requests
        # it accepts when it is up again, so a known ceiling is kept.
        if self._ceiling is not None and tried >= self._ceiling:
            self._rounds_to_wait = min(2 * self._rounds_to_wait, _MOST_ROUNDS)
        if done.served or self._ceiling is None:
            self._ceiling = tried
        share = done.refused / (done.refused + done.served)
        self._set(tried - max(1, round(tried * share / 2)))
        self._trial = None

    def _compare(self, delay: float) -> None:
        """Compare the delay of a round with the usual delay, and grow or begin a trial."""
        usual = self._usual_delay = delay if self._usual_delay is None else self._usual_delay
        self._rounds_between += 1
        if delay <= AS_FAST * usual:
            self._rounds_between = 0
            self._follow(usual, delay)
            self._grow()
        elif delay > SLOWER * usual or self._rounds_between >= _ROUNDS_BETWEEN:
            self._begin_trial(delay)

    def _follow(self, usual: float, delay: float) -> None:
        """Move the usual delay towards the delay of a fast round.

        Below the bound, it moves only towards shorter delays. With a service that becomes slower
        with each additional request, each longer delay would otherwise become the measure for the
        next, and the limit would grow without end.
        """
        if delay < usual:
            self._usual_delay = usual + _FOLLOWS_FASTER * (delay - usual)
        elif self.limit == self.bound:
            self._usual_delay = usual + _FOLLOWS_SLOWER * (delay - usual)

    def _grow(self) -> None:
        if self._ceiling is None:
            self._set(self.limit * 2)
        elif self.limit < self._ceiling - 1:
            self._set((self.limit + self._ceiling) // 2)
        else:
            if self.limit >= self._ceiling:
                self._rounds_to_wait = 1
            self._rounds_waited += 1
            if self._rounds_waited >= self._rounds_to_wait:
                self._set(self.limit + self._step, step=self._step * 2)

    def _begin_trial(self, delay: float) -> None:
        self._rounds_between = 0
        if self.limit == 1:
            self._usual_delay = delay  # with one request in flight, our load cannot be the reason
            return
        self._trial = self.limit, delay
        self._set(self.limit // 2)

    def _judge_trial(self, former_limit: int, former_delay: float, delay: float) -> None:
        """Decide after a trial round whether our own requests made the responses slow."""
        self._trial = None
        self._usual_delay = delay
        if delay <= _HELPED * former_delay:
            self._ceiling = former_limit
            if self.limit > 1:
                self._begin_trial(delay)
        else:
            self._set(former_limit)

    def _set(self, limit: int, *, step: int = 1) -> None:
        self.limit = max(1, min(limit, self.bound))
        self._step = step
        self._rounds_waited = 0


class AdaptiveGate:
    """Make threads wait by a `ConcurrencyLimit`. They enter in the order of arrival."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        """Take over a limit. No other code may change it."""
        self._limit = limit
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @property
    def limit(self) -> int:
        """The number of requests that may be in flight now."""
        return self._limit.limit

    def enter(self, seconds: float) -> int | None:
        """Wait for a place.

        Args:
            seconds: The most seconds to wait.

        Returns:
            A number to pass to `leave`, or None if there was no place in time.
        """
        own = object()
        with self._changed:
            self._line.append(own)
            try:
                if not self._changed.wait_for(lambda: self._may_enter(own), seconds):
                    return None
                return self._limit.sent()
            finally:
                self._line.remove(own)
                self._changed.notify_all()

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        """Return a place after a response, see `ConcurrencyLimit.answered`."""
        with self._changed:
            self._limit.answered(entered, seconds, refused=refused)
            self._changed.notify_all()

    def give_up(self) -> None:
        """Return a place after an error unrelated to the load of the service."""
        with self._changed:
            self._limit.given_up()
            self._changed.notify_all()

    def _may_enter(self, own: object) -> bool:
        return self._line[0] is own and not self._limit.is_reached
