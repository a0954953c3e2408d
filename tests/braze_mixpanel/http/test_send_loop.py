"""The loop that sends a request until it has a final answer, by a clock that tests move."""

from __future__ import annotations

import itertools
import logging
import threading

import pytest

from braze_mixpanel.errors import SettingsError, StoppedError, TemporaryError
from braze_mixpanel.http.send_loop import Patience, SendLoop, SharedPause, TryAgain

OK, BUSY, WRONG_KEY = "ok", "busy", "wrong key"
STEP = 0.25
"""The longest time until a waiting sender notices a stop."""


class FakeTime:
    """A clock that moves only when somebody sleeps or a test says so."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.while_sleeping = lambda: None

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds
        self.while_sleeping()


class Service:
    """Gives the answers of a list, in order, and notes when each request came."""

    def __init__(self, time: FakeTime, *answers: str, seconds: float = 0.0) -> None:
        self.answers = iter(answers)
        self.times: list[float] = []
        self.asks_to_wait = 0.0
        self._time, self._seconds = time, seconds

    def __call__(self) -> str:
        self.times.append(self._time.now)
        self._time.now += self._seconds
        return next(self.answers)

    def judge(self, answer: str) -> TryAgain | None:
        if answer == WRONG_KEY:
            raise SettingsError(answer)
        if answer == BUSY:
            return TryAgain("status 503", self.asks_to_wait, TemporaryError)
        return None


@pytest.fixture
def time() -> FakeTime:
    return FakeTime()


@pytest.fixture
def loop(time) -> SendLoop:
    """A loop that waits 2, 4, 8, … seconds between attempts."""
    return SendLoop(
        "the service",
        logger=logging.getLogger("send loop"),
        waits=lambda: (2.0**power for power in itertools.count(1)),
        clock=time.clock,
        sleep=time.sleep,
    )


def patience(seconds: float) -> Patience:
    return Patience(seconds, "retry_seconds")


def send(loop: SendLoop, service: Service, limit: Patience | None = None) -> str:
    return loop.send(service, judge=service.judge, patience=limit or patience(600))


def test_a_final_answer_is_returned_at_once(loop, time, caplog):
    service = Service(time, OK)
    assert send(loop, service) == OK
    assert (service.times, loop.requests, loop.retries) == ([1000], 1, 0)
    assert not caplog.records


def test_a_temporary_failure_is_retried_after_growing_waits_each_with_a_line_in_the_log(
    loop, time, caplog
):
    service = Service(time, BUSY, BUSY, BUSY, OK)
    assert send(loop, service) == OK
    assert service.times == [1000, 1002, 1006, 1014]
    assert (loop.requests, loop.retries) == (4, 3)
    assert [record.getMessage() for record in caplog.records] == [
        f"the service: status 503; retrying in {seconds} s" for seconds in (2, 4, 8)
    ]


@pytest.mark.parametrize(("asked", "waited"), [(30, 30), (1, 2)])
def test_the_longer_of_the_own_wait_and_the_one_that_the_service_asks_for_counts(
    loop, time, asked, waited
):
    service = Service(time, BUSY, OK)
    service.asks_to_wait = asked
    send(loop, service)
    assert service.times == [1000, 1000 + waited]


def test_waits_start_again_with_each_request(loop, time):
    service = Service(time, BUSY, BUSY, OK, BUSY, OK)
    send(loop, service)
    send(loop, service)
    assert service.times == [1000, 1002, 1006, 1006, 1008]


def test_an_error_that_no_retry_can_fix_is_raised_at_once(loop, time):
    service = Service(time, BUSY, WRONG_KEY, OK)
    with pytest.raises(SettingsError, match=WRONG_KEY):
        send(loop, service)
    assert (loop.requests, loop.retries, loop.in_flight) == (2, 1, 0)


def test_a_request_that_raises_is_no_longer_in_flight(loop, time):
    service = Service(time)
    with pytest.raises(StopIteration):
        send(loop, service)
    assert (loop.requests, loop.in_flight) == (1, 0)


# Patience


def test_retries_end_before_a_wait_that_would_pass_the_limit(loop, time):
    service = Service(time, *[BUSY] * 9)
    with pytest.raises(TemporaryError, match=r"^for 10 seconds \(retry_seconds\)$"):
        send(loop, service, patience(10))
    assert service.times == [1000, 1002, 1006]


def test_patience_starts_with_the_first_failure_and_not_with_the_request(loop, time):
    service = Service(time, BUSY, OK, seconds=100)
    assert send(loop, service, patience(10)) == OK


def test_all_requests_of_one_piece_of_work_share_its_patience(loop, time):
    service, work = Service(time, BUSY, BUSY, OK, BUSY), patience(8)
    assert send(loop, service, work) == OK
    with pytest.raises(TemporaryError):
        send(loop, service, work)
    assert service.times == [1000, 1002, 1006, 1006]


def test_patience_of_zero_allows_one_attempt(loop, time):
    service = Service(time, BUSY, OK)
    with pytest.raises(TemporaryError):
        send(loop, service, patience(0))
    assert service.times == [1000]


def test_a_wait_that_the_service_asks_for_beyond_the_limit_ends_the_work_without_waiting(
    loop, time
):
    service = Service(time, BUSY, OK)
    service.asks_to_wait = 900
    with pytest.raises(TemporaryError, match=r"^with a wait of 900 seconds, more than is left of"):
        send(loop, service)
    assert (service.times, time.now) == ([1000], 1000)


def test_new_work_does_not_wait_for_a_pause_beyond_its_limit(loop, time):
    service = Service(time, OK)
    loop.pause(100)
    with pytest.raises(TemporaryError, match="rate limit reached, with a wait of 100 seconds"):
        send(loop, service, patience(10))
    assert (loop.requests, time.now) == (0, 1000)


# The shared pause


def test_the_pause_that_one_sender_is_asked_for_holds_for_the_other_threads(loop, time):
    first, second = Service(time, BUSY, OK), Service(time, OK)
    first.asks_to_wait = 30
    other = threading.Thread(target=send, args=(loop, second))

    def run_the_other() -> None:
        time.while_sleeping = lambda: None
        other.start()
        other.join(10)

    time.while_sleeping = run_the_other  # while the first sender waits
    send(loop, first)
    assert not other.is_alive()
    assert second.times == [1030]
    assert first.times[0] == 1000
    assert first.times[1] >= 1030


def test_a_pause_that_grows_while_a_sender_waits_holds_for_it_too(loop, time):
    def extend() -> None:
        time.while_sleeping = lambda: None
        loop.pause(50)

    loop.pause(5)
    time.while_sleeping = extend
    service = Service(time, OK)
    send(loop, service)
    assert service.times == [1000 + STEP + 50]


def test_a_pause_is_logged_unless_it_is_empty(loop, caplog):
    caplog.set_level(logging.INFO)
    loop.pause(0)
    assert not caplog.records
    loop.pause(7)
    assert caplog.messages == ["the service: rate limit reached; waiting 7 s"]


def test_the_longest_of_several_pauses_counts(time):
    pause = SharedPause(time.clock)
    pause.extend(10)
    pause.extend(4)
    assert pause.remaining() == 10
    time.now += 11
    assert pause.remaining() == 0


# The stop


def test_after_a_stop_no_request_starts(loop, time):
    service = Service(time, OK)
    assert not loop.is_stopped
    loop.stop("Stopped by SIGTERM")
    with pytest.raises(StoppedError, match="Stopped by SIGTERM"):
        send(loop, service)
    assert loop.is_stopped
    assert loop.requests == 0


def test_a_sender_that_waits_notices_a_stop_within_a_quarter_of_a_second(loop, time):
    def stop_after_ten_seconds() -> None:
        if time.now >= 1010:
            loop.stop("Stopped")

    service = Service(time, BUSY, OK)
    service.asks_to_wait = 60
    time.while_sleeping = stop_after_ten_seconds
    with pytest.raises(StoppedError):
        send(loop, service)
    assert service.times == [1000]
    assert time.now <= 1010 + STEP


# Counts


def test_requests_of_all_threads_are_counted_and_those_in_flight_too(loop):
    threads, seen = 4, []
    all_sent, all_seen = threading.Barrier(threads, timeout=10), threading.Barrier(threads)

    def send_once() -> str:
        all_sent.wait()
        seen.append(loop.in_flight)
        all_seen.wait(10)
        return OK

    def work() -> None:
        loop.send(send_once, judge=lambda _: None, patience=patience(600))

    senders = [threading.Thread(target=work) for _ in range(threads)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join(10)
    assert seen == [threads] * threads
    assert (loop.requests, loop.in_flight) == (threads, 0)


# A gate


class ClosedAtFirst:
    """Opens after some tries; counts the turns that are taken."""

    def __init__(self, time: FakeTime, tries: int) -> None:
        self.tries, self.turns = tries, 0
        self._time = time

    def enter(self, seconds: float) -> int | None:
        self.tries -= 1
        if self.tries >= 0:
            self._time.sleep(seconds)
            return None
        self.turns += 1
        return 7

    def leave(self, entered: int, seconds: float, *, refused: bool) -> None:
        assert entered == 7
        assert seconds >= 0
        assert isinstance(refused, bool)
        self.turns -= 1

    def give_up(self) -> None:
        self.turns -= 1


def gated(time, gate) -> SendLoop:
    return SendLoop(
        "the service",
        logger=logging.getLogger("send loop"),
        waits=lambda: itertools.repeat(2.0),
        clock=time.clock,
        sleep=time.sleep,
        gate=gate,
    )


def test_a_request_waits_for_its_turn_and_gives_it_back(time):
    gate = ClosedAtFirst(time, 3)
    turns = []
    loop = gated(time, gate)

    def request():
        turns.append(gate.turns)
        return OK

    assert loop.send(request, judge=lambda _: None, patience=patience(600)) == OK
    assert (turns, gate.turns) == ([1], 0)
    assert time.now > 1000.0


def test_each_attempt_takes_a_turn_of_its_own_and_a_failure_gives_it_back(time):
    gate = ClosedAtFirst(time, 0)
    service = Service(time, BUSY, WRONG_KEY)
    with pytest.raises(SettingsError):
        send(gated(time, gate), service)
    assert gate.turns == 0
    assert len(service.times) == 2


def test_a_stop_ends_the_waiting_for_a_turn(time):
    loop = gated(time, ClosedAtFirst(time, 10**9))
    time.while_sleeping = lambda: loop.stop("Stopped by SIGTERM")
    with pytest.raises(StoppedError, match="SIGTERM"):
        send(loop, Service(time, OK))


def test_a_pause_that_grows_beyond_patience_while_a_request_waits_ends_the_waiting(time, loop):
    loop.pause(5)
    time.while_sleeping = lambda: loop.pause(3_000)
    with pytest.raises(TemporaryError, match="rate limit reached"):
        send(loop, Service(time, OK), patience(600))


def test_one_pause_that_many_answers_ask_for_is_one_line(loop, caplog):
    caplog.set_level(logging.INFO)
    for _ in range(16):
        loop.pause(30)
    assert caplog.text.count("rate limit reached; waiting 30 s") == 1
    assert loop.paused_for == 30
