"""What the target does when Braze refuses, fails or is slow to answer."""

from __future__ import annotations

import itertools
import logging
from types import SimpleNamespace
from typing import Any, NamedTuple

import pytest

from braze_mixpanel.errors import SettingsError, StoppedError, TemporaryError
from braze_mixpanel.http.rate_limit import SharedRateLimit
from braze_mixpanel.http.send_loop import SendLoop
from target_braze_cohorts.braze.braze_answer import BrazeAnswer
from target_braze_cohorts.braze.senders import Senders
from tests.fakes.fake_braze import BROKEN, LOST_ANSWER, FakeBraze, Fault, rate_limit
from tests.target_braze_cohorts.harness import LENIENT, by_attribute, full, run


def first(*faults):
    """Make a policy of faults for the first requests that are no probes."""
    coming = iter(faults)

    def policy(request):
        probe = request.body.get("cohort_changes") == []
        return None if probe else next(coming, None)

    return policy


# Credentials and addresses


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"data_import_key": "wrong-one"}, "data_import_key"),
        ({"partner_api_key": "wrong-one"}, "partner_api_key"),
        (by_attribute(api_key="wrong-one"), "api_key"),
    ],
)
def test_wrong_credentials_stop_the_run_before_anything_is_sent(braze, tmp_path, wrong, named):
    done = run(braze, tmp_path, full({1: ["a"]}), **wrong)
    assert isinstance(done.error, SettingsError)
    assert named in str(done.error)
    assert "wrong-one" not in str(done.error)
    assert not braze.writes()


def test_credentials_that_are_revoked_in_the_middle_stop_the_run(braze, tmp_path):
    braze.policy = first(None, Fault(403))
    assert isinstance(run(braze, tmp_path, full({1: ["a"], 2: ["b"]})).error, SettingsError)


@pytest.mark.parametrize("status", [302, 404, 405])
def test_an_answer_that_braze_would_not_give_points_at_the_address(braze, tmp_path, status):
    braze.policy = lambda _: Fault(status)
    done = run(braze, tmp_path, full({1: ["a"]}))
    assert isinstance(done.error, SettingsError)
    assert "rest_endpoint" in str(done.error)


@pytest.mark.parametrize("way", [{}, by_attribute()])
@pytest.mark.parametrize("content", [b"<html>blocked</html>", b"", b"[]", b'{"status": "ok"}'])
def test_a_success_that_is_not_of_braze_acknowledges_nothing(tmp_path, way, content):
    with FakeBraze(policy=lambda _: Fault(200, content=content)) as somebody:
        done = run(somebody, tmp_path, full({1: ["a"]}), **way)
    assert isinstance(done.error, SettingsError)
    assert "rest_endpoint" in str(done.error)
    assert (done.stdout, done.rows["1"].done.added) == ("", 0)


def test_a_success_of_a_proxy_in_the_middle_acknowledges_nobody(braze, tmp_path):
    braze.policy = first(None, Fault(200, content=b"<html>blocked</html>"))
    done = run(braze, tmp_path, full({1: ["a"]}))
    assert isinstance(done.error, SettingsError)
    braze.policy = lambda _: None
    run(braze, tmp_path, full({1: ["a"]})).ok()
    assert braze.members("1") == {"a"}


@pytest.mark.parametrize("url", ["https://rest..braze.com", f"https://{'a' * 70}.braze.com"])
def test_an_address_that_cannot_be_is_reported_without_trying_again(tmp_path, url):
    done = run(None, tmp_path, full({1: ["a"]}), rest_endpoint=url, retry_seconds=600)
    assert isinstance(done.error, SettingsError)
    assert url in str(done.error)


def test_a_partner_that_is_not_enabled_points_at_its_name(braze, tmp_path):
    done = run(braze, tmp_path, full({1: ["a"]}), partner_name="no/such")
    assert "partner_name" in str(done.error)


# Passing trouble


@pytest.mark.parametrize("fault", [LOST_ANSWER, BROKEN, *map(Fault, (408, 423, 429, 500, 503))])
def test_passing_trouble_is_waited_out(braze, tmp_path, fault):
    braze.policy = first(fault, None, fault, fault)
    run(braze, tmp_path, full({1: ["a"]}), retry_seconds=60).ok()
    assert braze.members("1") == {"a"}


def test_trouble_that_stays_ends_the_run_and_the_next_goes_on_there(braze, tmp_path):
    braze.policy = first(None, None, Fault(503))
    lists = full({1: [f"u{number:04}" for number in range(2_500)]})
    done = run(braze, tmp_path, lists, retry_seconds=0, concurrency=1)
    assert isinstance(done.error, TemporaryError)
    assert "added" in done.stderr
    before = len(braze.writes())
    run(braze, tmp_path, lists, concurrency=1).ok()
    assert [len(request.adds) for request in braze.writes()[before:]] == [1000, 500]
    assert len(braze.members("1")) == 2_500


def test_a_cohort_that_stays_locked_does_not_keep_the_others_out(braze, tmp_path):
    braze.policy = lambda request: Fault(423) if request.body.get("cohort_id") == "1" else None
    done = run(braze, tmp_path, full({1: ["a"], 2: ["b"]}), retry_seconds=0)
    assert isinstance(done.error, TemporaryError)
    assert "1 (locked in Braze" in str(done.error)
    assert "settings" not in str(done.error)
    assert braze.members("2") == {"b"}
    braze.policy = lambda _: None
    run(braze, tmp_path, full({1: ["a"], 2: ["b"]})).ok()
    assert braze.members("1") == {"a"}


def test_an_address_that_cannot_be_reached_is_named(tmp_path):
    nowhere = "http://127.0.0.1:9"
    done = run(None, tmp_path, full({1: ["a"]}), rest_endpoint=nowhere, retry_seconds=0)
    assert isinstance(done.error, TemporaryError)
    assert nowhere in str(done.error)


def test_somebody_added_without_an_answer_is_removed_when_they_leave(braze, tmp_path):
    braze.policy = first(None, LOST_ANSWER)
    run(braze, tmp_path, full({1: ["a", "b"]}), retry_seconds=0)
    assert braze.members("1") == {"a", "b"}
    run(braze, tmp_path, full({1: ["a"]}), **LENIENT).ok()
    assert braze.members("1") == {"a"}


def test_somebody_removed_without_an_answer_is_added_when_they_return(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a", "b"]})).ok()
    braze.policy = first(LOST_ANSWER)
    run(braze, tmp_path, full({1: ["a"]}), retry_seconds=0, **LENIENT)
    assert braze.members("1") == {"a"}
    run(braze, tmp_path, full({1: ["a", "b"]})).ok()
    assert braze.members("1") == {"a", "b"}


def test_a_rename_without_an_answer_and_back_again_reaches_braze(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a"]}, {1: "old"})).ok()
    braze.policy = first(LOST_ANSWER)
    run(braze, tmp_path, full({1: ["a"]}, {1: "new"}), retry_seconds=0)
    assert braze.cohorts["1"].name == "new"
    run(braze, tmp_path, full({1: ["a"]}, {1: "old"})).ok()
    assert braze.cohorts["1"].name == "old"


def test_the_servers_rate_limit_is_kept_to(tmp_path):
    with FakeBraze(policy=rate_limit(2, 0.3)) as braze:
        lists = full({number: ["a"] for number in range(3)})
        run(braze, tmp_path, lists, retry_seconds=60).ok()
        refused = [request for request in braze.requests if request.status == 429]
    assert 1 <= len(refused) <= 5


# The sender alone


class Clock:
    def __init__(self):
        self.now = 0.0
        self.slept = []

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept.append(seconds)


class Patient(NamedTuple):
    """The loop, and how the delivery sends one request with it."""

    loop: SendLoop
    send: Any
    senders: Senders


def sender(clock, seconds=600, waits=(2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0, 60.0, 60.0, 60.0)):
    forever = itertools.chain(waits, itertools.repeat(60.0))
    limit = SharedRateLimit(16, clock)
    loop = SendLoop(
        "https://rest.example",
        logger=logging.getLogger("test"),
        waits=lambda: forever,
        clock=clock,
        sleep=clock.sleep,
        gate=limit,
    )
    client = SimpleNamespace(
        endpoint="https://rest.example", credentials="api_key", probe=lambda: BrazeAnswer(0, "down")
    )
    senders = Senders(client, loop, limit, concurrency=16, retry_seconds=seconds)
    return Patient(loop, senders.ask_now, senders)


def test_attempts_are_spaced_by_the_waits():
    clock, times = Clock(), []
    answers = iter([BrazeAnswer(503), BrazeAnswer(0), BrazeAnswer(423), BrazeAnswer(200)])

    def request():
        times.append(clock.now)
        return next(answers)

    sender(clock).send(request)
    assert times == [0, 2, 6, 14]


def test_a_longer_wait_that_braze_asks_for_is_kept():
    clock = Clock()
    answers = iter([BrazeAnswer(429, wait=30), BrazeAnswer(200)])
    sender(clock).send(lambda: next(answers))
    assert clock.now == 30


def test_requests_end_when_the_time_for_one_is_over():
    clock = Clock()
    with pytest.raises(TemporaryError, match="600 s"):
        sender(clock).send(lambda: BrazeAnswer(503))
    assert 500 < clock.now <= 600


def test_the_next_request_waits_for_a_rate_limit_that_is_used_up():
    clock = Clock()
    patient = sender(clock)
    patient.send(lambda: BrazeAnswer(200, wait=3))
    assert clock.now == 0
    patient.send(lambda: BrazeAnswer(200))
    assert clock.now == 3


def test_a_rate_limit_beyond_the_time_for_one_request_ends_the_run_at_once():
    clock = Clock()
    patient = sender(clock, seconds=60)
    patient.send(lambda: BrazeAnswer(200, wait=3_000))
    with pytest.raises(TemporaryError, match="rate limit"):
        patient.send(lambda: BrazeAnswer(200))
    assert clock.now == 0


def test_a_signal_ends_the_waiting():
    clock = Clock()
    patient = sender(clock)

    def sleep(seconds):
        clock.now += seconds
        patient.loop.stop("Stopped by SIGTERM")

    patient.loop._sleep = sleep
    with pytest.raises(StoppedError, match="SIGTERM"):
        patient.send(lambda: BrazeAnswer(503))
    assert clock.now < 1


def test_the_test_of_the_credentials_gives_up_after_a_minute_and_logs_each_wait(caplog):
    clock = Clock()
    patient = sender(clock, seconds=600)
    with pytest.raises(TemporaryError, match="for 60 seconds") as caught:
        patient.senders.check_credentials()
    assert "https://rest.example cannot be reached: down" in str(caught.value)
    assert clock.now <= 60
    assert caplog.text.count("no answer: down; retrying in ") == patient.loop.retries > 2


def test_a_wait_that_braze_asks_for_is_logged(caplog):
    caplog.set_level(logging.INFO)
    patient = sender(Clock())
    patient.send(lambda: BrazeAnswer(200, wait=3))
    assert "https://rest.example: rate limit reached; waiting 3 s" in caplog.text
