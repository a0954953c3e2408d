"""How many requests are in flight, found by a simulated service and its simulated clock."""

from __future__ import annotations

import heapq
import random
import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braze_mixpanel.http.adaptive_concurrency import AdaptiveGate, ConcurrencyLimit

if TYPE_CHECKING:
    from collections.abc import Callable

BOUND, START = 32, 16
PAUSE = 3.0
"""Seconds without requests after a refusal, as the send loop waits at least."""


@dataclass
class Simulation:
    """A service, and senders that always have something to send.

    `delay` and `refuses` get the time and the number of requests in flight.
    """

    delay: Callable[[float, int], float] = lambda _now, _in_flight: 1.0
    refuses: Callable[[float, int], bool] = lambda _now, _in_flight: False
    bound: int = BOUND
    pieces: int = 50_000
    now: float = 0.0
    limits: list[tuple[float, int]] = field(default_factory=list)
    """When the limit became what."""
    taken: list[int] = field(default_factory=list)
    """The pieces that the service took, in order."""
    most_in_flight: int = 0

    def __post_init__(self) -> None:
        self.limit = ConcurrencyLimit(self.bound, START)
        self.limits.append((0.0, self.limit.limit))
        self._waiting = list(range(self.pieces - 1, -1, -1))
        self._in_flight: list[tuple[float, int, int, float, bool]] = []
        self._pause_until = 0.0

    def run(self, until: float) -> Simulation:
        while self.now < until and (self._waiting or self._in_flight):
            self._send()
            wakes = [self._in_flight[0][0]] if self._in_flight else []
            if self._waiting and not self.limit.is_reached:
                wakes.append(self._pause_until)
            self.now = min(wake for wake in wakes)
            while self._in_flight and self._in_flight[0][0] <= self.now:
                self._answer(*heapq.heappop(self._in_flight))
        return self

    def limits_after(self, seconds: float) -> set[int]:
        before = [limit for at, limit in self.limits if at <= seconds]
        return {before[-1], *(limit for at, limit in self.limits if at > seconds)}

    def rate_after(self, seconds: float, taken_before: int) -> float:
        return (len(self.taken) - taken_before) / (self.now - seconds)

    def _send(self) -> None:
        while self._waiting and not self.limit.is_reached and self.now >= self._pause_until:
            sent_in = self.limit.sent()
            in_flight = self.limit.in_flight
            self.most_in_flight = max(self.most_in_flight, in_flight)
            is_refused = self.refuses(self.now, in_flight)
            seconds = 0.05 if is_refused else self.delay(self.now, in_flight)
            heapq.heappush(
                self._in_flight,
                (self.now + seconds, self._waiting.pop(), sent_in, seconds, is_refused),
            )

    def _answer(self, at: float, piece: int, sent_in: int, seconds: float, *rest: bool) -> None:
        (refused,) = rest
        if refused:
            self._pause_until = at + PAUSE
            self._waiting.append(piece)
        else:
            self.taken.append(piece)
        former = self.limit.limit
        self.limit.answered(sent_in, seconds, refused=refused)
        if self.limit.limit != former:
            self.limits.append((at, self.limit.limit))


def jitter(share: float, seed: int = 1) -> Callable[[], float]:
    numbers = random.Random(seed)
    return lambda: numbers.uniform(1 - share, 1 + share)


@pytest.mark.parametrize("seconds", [0.05, 1.0, 2.0, 10.0])
@pytest.mark.parametrize("share", [0.0, 0.5])
def test_the_bound_is_reached_within_three_answers_time_and_kept(seconds, share):
    factor = jitter(share)
    done = Simulation(lambda _now, _n: seconds * factor()).run(100 * seconds)
    assert done.limits_after(3 * seconds) == {BOUND}


def test_the_bound_holds_whatever_comes():
    done = Simulation(bound=5).run(60)
    assert done.most_in_flight == 5


@pytest.mark.parametrize("capacity", [1, 2, 3, 5, 8, 12, 20])
def test_a_service_whose_delay_grows_with_its_load_is_not_driven_into_more(capacity):
    """It works on so many at once, and the others wait: more in flight only wait longer."""
    factor = jitter(0.1)
    done = Simulation(lambda _now, n: max(1.0, n / capacity) * factor()).run(150)
    taken = len(done.taken)
    done.run(600)
    assert max(done.limits_after(150)) <= 1.5 * capacity + 2
    assert done.rate_after(150, taken) >= 0.85 * capacity, "too few to use what it can do"


@pytest.mark.parametrize("most", [1, 2, 4, 9, 20, 31])
def test_a_service_that_refuses_beyond_a_number_is_kept_at_that_number(most):
    done = Simulation(refuses=lambda _now, n: n > most).run(150)
    done.run(900)
    assert max(done.limits_after(150)) <= most + 1
    assert min(done.limits_after(150)) >= most * 0.8 - 1


@pytest.mark.parametrize("seconds", [2, 30, 300])
def test_after_an_outage_the_bound_is_reached_again_within_a_minute(seconds):
    done = Simulation(refuses=lambda now, _n: 30 <= now < 30 + seconds).run(30 + seconds + 60)
    assert min(done.limits_after(30)) < BOUND
    assert done.limit.limit == BOUND


def test_after_a_time_of_narrow_limits_the_bound_is_reached_again():
    done = Simulation(refuses=lambda now, n: 30 <= now < 90 and n > 4).run(90)
    assert done.limit.limit <= 5
    done.run(180)
    assert done.limit.limit == BOUND


def test_a_service_that_became_slower_by_itself_keeps_its_requests():
    done = Simulation(lambda now, _n: 1.0 if now < 30 else 4.0).run(60)
    done.run(120)
    assert done.limits_after(60) == {BOUND}


def test_a_slow_reader_proves_nothing_about_the_service():
    """Fewer in flight than the limit allows: neither more nor fewer would change anything."""
    limit = ConcurrencyLimit(BOUND, START)
    for seconds in (0.1, 1.0, 5.0) * 100:
        limit.answered(limit.sent(), seconds, refused=False)
    assert limit.limit == START


@given(
    st.integers(1, 40),
    st.lists(
        st.tuples(st.floats(0.01, 100), st.sampled_from(("good", "refused", "given up"))),
        max_size=300,
    ),
    st.randoms(use_true_random=False),
)
def test_the_limit_stays_within_its_bounds_whatever_is_answered(bound, answers, numbers):
    limit = ConcurrencyLimit(bound, START)
    in_flight = []
    for seconds, kind in answers:
        while not limit.is_reached:
            in_flight.append(limit.sent())
        sent_in = in_flight.pop(numbers.randrange(len(in_flight)))
        if kind == "given up":
            limit.given_up()
        else:
            limit.answered(sent_in, seconds, refused=kind == "refused")
        assert 1 <= limit.limit <= bound
        assert limit.in_flight == len(in_flight)


@given(
    st.integers(1, 60),
    st.integers(1, 12),
    st.lists(st.tuples(st.floats(0, 60), st.floats(1, 30), st.integers(0, 12)), max_size=4),
    st.floats(0.1, 5),
)
def test_every_piece_is_taken_once_whatever_the_faults(pieces, bound, faults, seconds):
    """Faults: begin, length, and how many requests are still taken meanwhile."""

    def refuses(now: float, in_flight: int) -> bool:
        left = [left for begin, length, left in faults if begin <= now < begin + length]
        return in_flight > min(left, default=in_flight)

    done = Simulation(lambda _now, n: seconds * n, refuses, bound=bound, pieces=pieces).run(10**6)
    assert sorted(done.taken) == list(range(pieces))


def test_no_thread_passes_while_all_places_are_taken_and_the_first_comes_first():
    gate = AdaptiveGate(ConcurrencyLimit(1, 1))
    first = gate.enter(1)
    assert first is not None
    assert gate.enter(0.01) is None
    came: list[int] = []

    def go(number: int) -> None:
        place = gate.enter(10)
        came.append(number)
        gate.leave(place, 1.0, refused=False)

    threads = []
    for number in range(5):
        threads.append(threading.Thread(target=go, args=(number,)))
        threads[-1].start()
        while len(gate._line) <= number:
            pass
    gate.give_up()
    for thread in threads:
        thread.join(10)
    assert came == [0, 1, 2, 3, 4]
