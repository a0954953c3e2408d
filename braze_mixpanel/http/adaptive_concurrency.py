"""Finds out how many requests a service takes at once, from how its answers come.

After Vector's adaptive request concurrency: more requests in flight while answers come as fast as
before, fewer when the service refuses some or its answers take longer. `ConcurrencyLimit` is the
arithmetic, without clock and threads; `AdaptiveGate` lets threads through by it.

The arithmetic works in rounds. A round has as many answers as the limit, all to requests that were
sent after the limit last changed, so that its mean delay is that of this limit and no other. Then:

- Nothing was refused, all places were taken, and the delay is about the least one known: grow. At
  first the limit doubles. Once a number was too many, it goes half of the way there, and tries that
  number again after 1, 2, 4 … rounds; where it is no longer too many, on by 1, 2, 4 … requests.
- The delay is much longer: halve the limit for one round, to see whose load that is. If answers
  come faster again, it was ours: keep the half and try the half of that. If they do not, the
  service has become slower by itself: return to the former limit and take its delay as the usual.
- Some requests were refused (429, 503, no answer): drop half of their share, so that one in twenty
  hardly counts and twenty in twenty halve the limit.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from typing import Final

AS_FAST: Final = 1.25
"""Up to this many times the usual delay, answers come as fast as before."""
SLOWER: Final = 1.5
"""From this many times the usual delay on, the service has more than it can do at once."""
_HELPED: Final = 0.75
"""Fewer requests helped if the delay is at most so many times that of before."""
_FOLLOWS_FASTER: Final = 0.5
_FOLLOWS_SLOWER: Final = 0.1
"""How much of a change in the delay becomes part of the usual one, a round."""
_ROUNDS_BETWEEN: Final = 20
"""After so many rounds neither fast nor slow, the usual delay is measured again."""
_MOST_ROUNDS: Final = 32
"""A number that was too many is tried again after so many rounds at the latest."""


@dataclass
class _Round:
    """The answers to requests that were all sent under one limit."""

    number: int
    served: int = 0
    seconds: float = 0.0
    refused: int = 0
    most_in_flight: int = 0

    @property
    def delay(self) -> float:
        """Mean seconds to an answer."""
        return self.seconds / max(1, self.served)


class ConcurrencyLimit:
    """How many requests may be in flight. Pure: no clock, no threads."""

    def __init__(self, bound: int, start: int) -> None:
        """Begin with a careful number.

        Args:
            bound: The most requests in flight.
            start: How many at first; the bound if that is less.
        """
        self.bound = bound
        self.limit = min(start, bound)
        """How many requests may be in flight now, at least 1."""
        self.in_flight = 0
        self._round = _Round(0)
        self._usual_delay: float | None = None
        self._ceiling: int | None = None
        """A number that was too many; None as long as there was none, while the limit doubles."""
        self._step = 1
        """By how much the limit grows at the ceiling and beyond."""
        self._rounds_to_wait = 1
        """How many good rounds it takes to try the ceiling again."""
        self._rounds_waited = 0
        self._trial: tuple[int, float] | None = None
        """While the limit is halved for a round: the limit and the delay of before."""
        self._rounds_between = 0

    @property
    def is_reached(self) -> bool:
        """Whether no further request may be sent now."""
        return self.in_flight >= self.limit

    def sent(self) -> int:
        """Note that a request is sent.

        Returns:
            A number to pass to `answered`.
        """
        self.in_flight += 1
        current = self._round
        current.most_in_flight = max(current.most_in_flight, self.in_flight)
        return current.number

    def answered(self, sent_in: int, seconds: float, *, refused: bool) -> None:
        """Note the answer to a request, and adapt the limit at the end of a round.

        Args:
            sent_in: What `sent` returned.
            seconds: How long the answer took.
            refused: Whether the same request must be sent again later: 429, 503, no answer.
        """
        self.in_flight -= 1
        current = self._round
        if sent_in != current.number:
            return  # it was sent under another limit, so its delay says nothing about this one
        if refused:
            current.refused += 1
        else:
            current.served += 1
            current.seconds += seconds
        if current.served + current.refused >= self.limit:
            self._adapt(current)
            self._round = _Round(current.number + 1, most_in_flight=self.in_flight)

    def given_up(self) -> None:
        """Note that a request ended in an error that says nothing about the service's load."""
        self.in_flight -= 1

    def _adapt(self, done: _Round) -> None:
        if done.refused:
            self._back_off(done)
        elif self._trial is not None:
            self._judge_trial(*self._trial, done.delay)
        elif done.most_in_flight >= self.limit:  # fewer in flight prove nothing about the limit
            self._compare(done.delay)

    def _back_off(self, done: _Round) -> None:
        """Drop half of the share that was refused."""
        tried = min(self.limit, done.most_in_flight)
        # Where nothing at all got through, the service was down: that says nothing about how many
        # requests it takes when it is up again, so a known ceiling stays.
        if self._ceiling is not None and tried >= self._ceiling:
            self._rounds_to_wait = min(2 * self._rounds_to_wait, _MOST_ROUNDS)
        if done.served or self._ceiling is None:
            self._ceiling = tried
        share = done.refused / (done.refused + done.served)
        self._set(tried - max(1, round(tried * share / 2)))
        self._trial = None

    def _compare(self, delay: float) -> None:
        """Compare a round's delay with the usual one."""
        usual = self._usual_delay = delay if self._usual_delay is None else self._usual_delay
        self._rounds_between += 1
        if delay <= AS_FAST * usual:
            self._rounds_between = 0
            self._follow(usual, delay)
            self._grow()
        elif delay > SLOWER * usual or self._rounds_between >= _ROUNDS_BETWEEN:
            self._begin_trial(delay)

    def _follow(self, usual: float, delay: float) -> None:
        """Let the usual delay follow the service.

        Below the bound it never follows a slower one: with a service that is slower the more it
        has to do, each step up would become the new measure for the next one.
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
            self._usual_delay = delay  # it cannot be our load
            return
        self._trial = self.limit, delay
        self._set(self.limit // 2)

    def _judge_trial(self, former_limit: int, former_delay: float, delay: float) -> None:
        """Decide after a round with half of the requests whose load made the answers slow."""
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
    """Lets threads send by a `ConcurrencyLimit`, in the order in which they came."""

    def __init__(self, limit: ConcurrencyLimit) -> None:
        """Take over a limit, which nothing else may change then."""
        self._limit = limit
        self._changed = threading.Condition()
        self._line: deque[object] = deque()

    @property
    def limit(self) -> int:
        """How many requests may be in flight now."""
        return self._limit.limit

    def enter(self, seconds: float) -> int | None:
        """Wait for a place.

        Args:
            seconds: How long at most.

        Returns:
            A number to pass to `leave`; None if there was no place in time.
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
        """Give a place back after an answer, see `ConcurrencyLimit.answered`."""
        with self._changed:
            self._limit.answered(entered, seconds, refused=refused)
            self._changed.notify_all()

    def give_up(self) -> None:
        """Give a place back after an error that says nothing about the service's load."""
        with self._changed:
            self._limit.given_up()
            self._changed.notify_all()

    def _may_enter(self, own: object) -> bool:
        return self._line[0] is own and not self._limit.is_reached
