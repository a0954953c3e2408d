"""Many requests in flight: their order, Braze's limits, and what a failure leaves behind."""

from __future__ import annotations

import re
import threading
import time

import pytest

from braze_mixpanel.errors import SettingsError, TemporaryError
from target_braze_cohorts.braze.cohort_import import CohortImport
from tests.fakes.braze_limits import Limit
from tests.fakes.fake_braze import FakeBraze, Fault
from tests.target_braze_cohorts.harness import LENIENT, by_attribute, full, run

PEOPLE = [f"u{number:04}" for number in range(1_200)]
BY_ID = by_attribute(attribute_value="id")


@pytest.fixture(autouse=True)
def _small_pages(monkeypatch):
    monkeypatch.setattr(CohortImport, "most_users", 75)


@pytest.mark.parametrize("way", [{}, BY_ID])
@pytest.mark.parametrize("concurrency", [1, 5])
def test_so_many_requests_are_in_flight_as_the_setting_says(tmp_path, way, concurrency):
    with FakeBraze(seconds=0.1) as braze:
        run(braze, tmp_path, full({1: PEOPLE}), concurrency=concurrency, **way).ok()
        assert braze.members("1") == set(PEOPLE)
        assert braze.most_in_flight == concurrency


def test_cohorts_go_beside_each_other(tmp_path):
    lists = {number: ["a"] for number in range(1, 9)}
    with FakeBraze(seconds=0.3) as braze:
        run(braze, tmp_path, full(lists), concurrency=8).ok()
        assert braze.most_in_flight == 8
        assert all(braze.members(str(number)) == {"a"} for number in lists)


def test_a_cohorts_name_comes_first_and_its_removals_after_all_its_adds(tmp_path):
    with FakeBraze(seconds=0.01) as braze:
        run(braze, tmp_path, full({1: PEOPLE[:600]}, {1: "old"})).ok()
        before = len(braze.requests)
        done = []
        braze.policy = lambda request: done.append(request.status) or None
        run(braze, tmp_path, full({1: PEOPLE[600:]}, {1: "new"}), **LENIENT).ok()
        _, name, *changes = braze.requests[before:]
        assert braze.members("1") == set(PEOPLE[600:])
    assert name.body["name"] == "new"
    assert [bool(request.removes) for request in changes] == [False] * 8 + [True] * 8


def test_each_acknowledgement_counts_though_another_request_fails(tmp_path):
    """The answers of requests in flight are worth waiting for."""
    with FakeBraze(seconds=0.05) as braze:
        refused = iter([Fault(401)])
        braze.policy = lambda request: next(refused, None) if PEOPLE[200] in request.adds else None
        done = run(braze, tmp_path, full({1: PEOPLE}))
        assert isinstance(done.error, SettingsError)
        held = len(braze.members("1"))
        assert held >= 75 * 8
        assert done.rows["1"].done.added == held
        before = len(braze.writes())
        run(braze, tmp_path, full({1: PEOPLE})).ok()
        again = [who for request in braze.writes()[before:] for who in request.adds]
    assert len(again) == len(PEOPLE) - held


def test_a_request_that_fails_for_good_ends_the_waiting_of_the_others(tmp_path):
    def policy(request):
        if PEOPLE[0] in request.adds or not request.adds:
            return None
        return Fault(401) if PEOPLE[-1] in request.adds else Fault(503)

    with FakeBraze(policy=policy) as braze:
        begin = time.monotonic()
        done = run(braze, tmp_path, full({1: PEOPLE}), retry_seconds=600)
        assert time.monotonic() - begin < 30
    assert isinstance(done.error, SettingsError | TemporaryError)


def test_a_locked_cohort_gets_its_requests_one_after_the_other(tmp_path):
    with FakeBraze(seconds=0.01, locks_cohorts=True) as braze:
        run(braze, tmp_path, full({1: PEOPLE}), retry_seconds=60).ok()
        assert braze.members("1") == set(PEOPLE)
        locked = [request for request in braze.requests if request.status == 423]
        assert 0 < len(locked) <= 2 * 16
        braze.requests.clear()
        run(braze, tmp_path, full({1: []}), retry_seconds=60, **LENIENT).ok()
        assert braze.members("1") == set()


# Braze's limits


@pytest.mark.parametrize("way", [{}, BY_ID])
def test_the_limit_in_the_answers_is_kept_to_without_one_request_too_many(tmp_path, way):
    path = "/users/track" if way else "/partners/"
    with FakeBraze(limits={path: Limit(6, 1.0)}) as braze:
        run(braze, tmp_path, full({1: PEOPLE}), retry_seconds=60, **way).ok()
        assert braze.members("1") == set(PEOPLE)
        assert braze.limits.refused == 0


def test_a_limit_that_other_programs_use_up_is_waited_out(tmp_path):
    with FakeBraze(limits={"/users/track": Limit(20, 1.0)}) as braze:
        ended = threading.Event()

        def use_it_up():
            while not ended.wait(0.05):
                braze.limits.take("/users/track")

        other = threading.Thread(target=use_it_up)
        other.start()
        try:
            run(braze, tmp_path, full({1: PEOPLE}), retry_seconds=60, **BY_ID).ok()
        finally:
            ended.set()
            other.join()
        assert braze.members("1") == set(PEOPLE)


@pytest.mark.parametrize("hours", [2, -2])
def test_the_wait_does_not_depend_on_this_machines_clock(tmp_path, hours):
    limits = {"/users/track": Limit(3, 2.0)}
    with FakeBraze(limits=limits, clock_ahead=hours * 3_600) as braze:
        begin = time.monotonic()
        done = run(braze, tmp_path, full({1: PEOPLE[:400]}), retry_seconds=60, **BY_ID).ok()
        assert time.monotonic() - begin < 12
        assert braze.limits.refused == 0
    waits = [int(wait) for wait in re.findall(r"rate limit reached; waiting (\d+) s", done.stderr)]
    assert waits
    assert max(waits) <= 3


def test_the_fake_keeps_to_the_documented_limits():
    with FakeBraze() as braze:
        assert all(braze.limits.take("/users/track") for _ in range(3_000))
        assert not braze.limits.take("/users/track")
        headers = dict(braze.limits.headers("/users/track"))
        assert headers["X-RateLimit-Limit"] == "3000"
        assert headers["X-RateLimit-Remaining"] == "0"
        assert dict(braze.limits.headers("/partners/x"))["X-RateLimit-Remaining"] == "250000"
