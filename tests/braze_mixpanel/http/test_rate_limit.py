"""The rate limit in the headers of answers, by a clock that tests move."""

from __future__ import annotations

import threading
import time

import pytest

from braze_mixpanel.http.rate_limit import RateLimit, SharedRateLimit, read_rate_limit

NOW = 1_790_000_000.0


class Clock:
    def __init__(self) -> None:
        self.now = 50.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def limit(clock) -> SharedRateLimit:
    return SharedRateLimit(16, clock)


def enters(limit: SharedRateLimit) -> bool:
    return limit.enter(0.0) is not None


def started(limit: SharedRateLimit) -> int:
    """Start as many requests as may start."""
    count = 0
    while enters(limit):
        count += 1
    return count


def answer(
    limit: SharedRateLimit, remaining: int, seconds: float, *, refused: bool = False
) -> None:
    limit.saw(RateLimit(remaining, seconds, 10), refused=refused)
    limit.give_up()


def test_headers_are_read_by_the_clock_of_the_service():
    headers = {
        "X-RateLimit-Limit": "3000",
        "X-RateLimit-Remaining": "0",
        "X-RateLimit-Reset": str(int(NOW) + 2),
    }
    assert read_rate_limit(headers, NOW) == RateLimit(0, 2.0, 3000)


@pytest.mark.parametrize("reset", ["", "soon", "nan", "1e999", "-1"])
def test_a_reset_that_is_no_time_asks_for_no_wait(reset):
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": reset}
    assert read_rate_limit(headers, NOW) == RateLimit(0, 0.0)


def test_a_window_lasts_an_hour_at_most():
    headers = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1e15"}
    assert read_rate_limit(headers, NOW) == RateLimit(0, 3_600.0)


def test_an_answer_without_the_headers_states_no_limit():
    assert read_rate_limit({"Date": "today"}, NOW) is None


def test_without_a_stated_limit_so_many_requests_start_as_may_be_in_flight(limit):
    assert started(limit) == 16


def test_no_more_requests_start_than_the_service_still_accepts(limit):
    assert enters(limit)
    answer(limit, 5, 3.0)
    assert started(limit) == 5


def test_requests_in_flight_count_as_not_yet_taken_by_the_service(limit):
    assert started(limit) == 16
    answer(limit, 9, 3.0)  # fifteen are in flight, and perhaps none of them counts yet
    assert started(limit) == 0
    for _ in range(10):
        limit.give_up()
    assert started(limit) == 4


def test_an_answer_that_overtakes_another_frees_nothing(limit):
    assert enters(limit)
    assert enters(limit)
    answer(limit, 1, 3.0)
    answer(limit, 2, 3.0)
    assert started(limit) == 1


def test_a_new_window_has_the_whole_limit(limit, clock):
    assert enters(limit)
    answer(limit, 0, 3.0)
    assert started(limit) == 0
    clock.now += 3.0
    assert started(limit) == 10


def test_after_a_429_requests_go_one_at_a_time_and_then_more(limit, clock):
    for _ in range(2):
        assert enters(limit)
    limit.saw(RateLimit(0, 2.0), refused=True)
    limit.give_up()
    limit.saw(None, refused=False)  # sent before the refusal: it proves nothing
    limit.give_up()
    clock.now += 2.0
    counts = []
    for _ in range(5):
        assert enters(limit)
        counts.append(1 + started(limit))
        limit.saw(None, refused=False)
        for _ in range(counts[-1]):
            limit.give_up()
    assert counts == [1, 2, 4, 8, 16]


def test_a_shorter_limit_that_is_used_up_does_not_close_the_longer_one(limit, clock):
    assert enters(limit)
    answer(limit, 5_000, 3_600.0)
    assert enters(limit)
    limit.saw(RateLimit(0, 3.0), refused=True)
    limit.give_up()
    clock.now += 3.0
    assert enters(limit)


def test_the_limit_is_kept_by_many_threads():
    limit = SharedRateLimit(64)
    assert enters(limit)
    answer(limit, 7, 60.0)
    starts = []
    threads = [threading.Thread(target=lambda: starts.append(enters(limit))) for _ in range(30)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(starts) == 7


def test_a_request_that_waits_starts_as_soon_as_another_one_ends():
    limit = SharedRateLimit(1)
    assert enters(limit)
    threading.Timer(0.05, lambda: limit.leave(0, 0.05, refused=False)).start()
    begin = time.monotonic()
    assert limit.enter(10.0) is not None
    assert time.monotonic() - begin < 5
