"""Requests to the query API: who is asked, what is retried, and what ends at once."""

from __future__ import annotations

import gzip
import itertools
import logging
import threading
import time

import pytest

from braze_mixpanel.errors import SettingsError, StoppedError
from tap_mixpanel_cohorts.query import connection
from tap_mixpanel_cohorts.query.budget import Budget, fitting_interval
from tap_mixpanel_cohorts.query.client import (
    LimitedError,
    QueryClient,
    RefusedError,
    UnansweredError,
)
from tap_mixpanel_cohorts.query.connection import Project
from tests.fakes.mixpanel_query_api import CUT, Answer, MixpanelQueryApi

HOUR = 3600.0


class Clock:
    """Time that passes only where somebody sleeps."""

    def __init__(self):
        self.now = 1_800_000_000.0
        self.slept = 0.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds
        self.slept += seconds


@pytest.fixture
def mixpanel():
    with MixpanelQueryApi() as server:
        server.put(1000, "VIP", ["a"])
        yield server


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def make(mixpanel, clock):
    clients = []

    def make(*, budget=60, asked=(), retry_seconds=600, **changes):
        project = Project.from_settings(
            {"api_url": mixpanel.url, "region": "us", **mixpanel.account, **changes}
        )
        clients.append(
            QueryClient(
                project,
                Budget(budget, asked),
                retry_seconds=retry_seconds,
                clock=clock,
                sleep=clock.sleep,
                waits=lambda: itertools.repeat(0.0),
            )
        )
        return clients[-1]

    yield make
    for client in clients:
        client.close()


def test_a_netrc_file_does_not_replace_the_credentials(make, mixpanel, tmp_path, monkeypatch):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login somebody password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert b"VIP" in make().ask("cohorts/list", {})
    assert len(mixpanel.asked) == 1


@pytest.mark.parametrize("fault", [CUT, Answer(500, {"error": "oops"}), Answer(408)])
def test_a_failure_is_retried_and_each_attempt_counts_as_a_query(make, mixpanel, fault):
    mixpanel.fail(fault, path="cohorts/list", times=2)
    client = make(budget=10)
    assert b"VIP" in client.ask("cohorts/list", {})
    assert client.budget.left(client.now()) == 7


def test_a_refused_query_is_given_back_to_the_budget(make, mixpanel):
    mixpanel.fail(Answer(429, {"error": "limit"}), path="cohorts/list")
    client = make(budget=10)
    client.ask("cohorts/list", {})
    assert client.budget.left(client.now()) == 9


def test_failures_end_after_so_many_tries_where_the_caller_says_so(make, mixpanel):
    mixpanel.fail(Answer(502), times=99)
    with pytest.raises(UnansweredError, match="fails"):
        make().ask("engage", {}, tries=3)
    assert len(mixpanel.asked) == 3


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (401, SettingsError, "refuses the credentials"),
        (403, SettingsError, "the service account, its role in the project and project_id"),
        (402, SettingsError, "mixpanel-cohort-inbox"),
        (400, RefusedError, "400: no such thing"),
        (302, SettingsError, "redirects.*302"),
    ],
)
def test_what_no_retry_changes_ends_at_once(make, mixpanel, status, error, words):
    mixpanel.fail(Answer(status, {"error": "no such thing"}))
    with pytest.raises(error, match=words):
        make().ask("cohorts/list", {})
    assert len(mixpanel.asked) == 1


def test_a_refused_api_secret_names_the_day_of_its_end(make, mixpanel):
    mixpanel.fail(Answer(401))
    with pytest.raises(SettingsError, match="switched off on 3 March 2027"):
        make(api_secret="secret-old").ask("cohorts/list", {})


def test_a_spent_budget_is_waited_out_with_one_line(make, clock, caplog):
    begun = clock.now
    client = make(budget=2, asked=[begun - HOUR + 30, begun - 1])
    with caplog.at_level(logging.WARNING):
        client.ask("cohorts/list", {})
    assert 30 <= clock.slept < 31
    assert caplog.messages == [
        "The query budget of 2 an hour is spent: waiting 30 s before the next query."
    ]


def test_a_spent_budget_beyond_retry_seconds_is_an_error_that_says_when(make, clock):
    client = make(budget=1, asked=[clock.now - 60], retry_seconds=600)
    with pytest.raises(LimitedError, match="is possible in 3540 s"):
        client.ask("cohorts/list", {})
    assert clock.slept == 0


def test_an_answer_without_end_is_one_line_that_names_page_size(make, mixpanel, monkeypatch):
    monkeypatch.setattr(connection, "MOST_ANSWER_BYTES", 50_000)
    bomb = gzip.compress(b" " * 1_000_000)

    def served(*_):
        return 200, bomb, {"Content-Encoding": "gzip", "X-Length": str(len(bomb))}

    monkeypatch.setattr(mixpanel, "answer", served)
    with pytest.raises(SettingsError, match="set a smaller page_size"):
        make().ask("engage", {})


def test_a_stop_ends_a_request_that_waits_for_its_answer(make, mixpanel):
    mixpanel.seconds = 60.0
    client = make()
    ended = []

    def ask():
        try:
            client.ask("cohorts/list", {})
        except StoppedError as error:
            ended.append(str(error))

    thread = threading.Thread(target=ask)
    began = time.monotonic()
    thread.start()
    while not mixpanel.asked:
        time.sleep(0.01)
    client.stop("Stopped.")
    thread.join(30)
    assert ended == ["Stopped."]
    assert time.monotonic() - began < 30


def test_an_address_that_is_none_is_one_line(make):
    with pytest.raises(SettingsError, match="region and api_url"):
        make(api_url="http://127.0.0.1:99999").ask("cohorts/list", {})


@pytest.mark.parametrize(
    ("queries", "budget", "interval"),
    [
        (1, 60, "every minute"),
        (13, 60, "every 15 minutes"),
        (31, 60, "every hour"),
        (60, 60, "every hour"),
        (61, 60, "every 2 hours"),
        (2000, 60, "every 34 hours"),
    ],
)
def test_the_interval_that_a_run_fits(queries, budget, interval):
    assert fitting_interval(queries, budget) == interval
