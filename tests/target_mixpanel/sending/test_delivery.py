"""Promises of delivery, each against a Mixpanel that breaks something."""

from __future__ import annotations

import io
import itertools
import json
import signal
import threading

import pytest

from braze_mixpanel.errors import ConnectorError, SettingsError, StoppedError, TemporaryError
from target_mixpanel.run.rejection_guard import TooManyRejectedError
from target_mixpanel.target import TargetMixpanel
from tests.fakes import mixpanel_faults as faults
from tests.target_mixpanel.harness import (
    STREAM,
    TIME,
    ImpatientTarget,
    line,
    open_record,
    opens,
    record,
    run,
    schema,
    settings,
    state,
)

THREE = schema() + opens(3) + state(1)


def ids(count: int, start: int = 0) -> set[str]:
    return {f"event-{number}" for number in range(start, start + count)}


def test_everything_read_is_imported_and_the_last_state_passed_on(mixpanel, tmp_path) -> None:
    result = run(THREE, mixpanel, tmp_path)
    assert result.error is None
    assert mixpanel.insert_ids() == ids(3)
    assert result.states == [{"bookmarks": {STREAM: 1}}]
    assert mixpanel.names() == {"Email Open": 3}
    assert mixpanel.events()[0]["properties"] == {
        "time": TIME,
        "distinct_id": "user-0",
        "$insert_id": "event-0",
        "$partner_id": "braze",
        "ip": 0,
    }


@pytest.mark.parametrize(
    ("credentials", "auth", "project"),
    [
        ({}, "service_account", "12345"),
        (
            {
                "service_account_username": None,
                "service_account_password": None,
                "project_id": None,
                "project_token": "project-token",
            },
            "project_token",
            None,
        ),
        (
            {
                "service_account_username": None,
                "service_account_password": None,
                "api_secret": "api-secret",
            },
            "api_secret",
            "12345",
        ),
    ],
)
def test_the_request_is_as_documented_with_all_three_kinds_of_credentials(
    mixpanel, tmp_path, credentials, auth, project
) -> None:
    run(schema() + opens(5), mixpanel, tmp_path, batch_size=2, **credentials)
    probe, *requests = mixpanel.requests
    assert probe.status == 400
    assert sorted(len(request.events) for request in requests) == [1, 2, 2]
    for request in requests:
        assert (request.method, request.path, request.status) == ("POST", "/import", 200)
        assert request.query.get("strict") == "1"
        assert request.query.get("project_id") == project
        assert request.auth == auth
        assert request.headers["Content-Encoding"] == "gzip"
        assert request.headers["Content-Type"] == "application/json"
        assert request.size <= 2_000_000


def test_a_request_stays_within_batch_bytes_before_compression(mixpanel, tmp_path) -> None:
    wide = b"".join(record(open_record(n, campaign_name="x" * 400)) for n in range(50))
    run(schema() + wide, mixpanel, tmp_path, batch_bytes=2000)
    requests = mixpanel.requests[1:]
    assert all(request.size <= 2000 for request in requests)
    assert max(request.size for request in requests) > 1500
    assert mixpanel.count == 50


def test_a_hundred_streams_with_ten_records_each_make_one_request(mixpanel, tmp_path) -> None:
    source = b""
    for number in range(100):
        stream = f"users_messages_kind{number}_sent"
        message = json.loads(schema(stream))
        message["schema"]["x-braze-event-type"] = f"users.messages.kind{number}.Sent"
        source += line(message)
        for n in range(10):
            source += record(open_record(number * 10 + n), stream)
    run(source, mixpanel, tmp_path)
    assert [len(request.events) for request in mixpanel.requests] == [1, 1000]
    assert mixpanel.count == 1000


@pytest.mark.parametrize("fault", faults.PASSING, ids=repr)
def test_passing_troubles_are_got_over_without_doubling_anything(mixpanel, tmp_path, fault) -> None:
    mixpanel.policy = [None, fault, fault]
    result = run(THREE, mixpanel, tmp_path)
    assert result.error is None
    assert mixpanel.insert_ids() == ids(3)
    assert result.target.sender.retries >= 1
    assert result.states == [{"bookmarks": {STREAM: 1}}]


def test_events_that_mixpanel_rejects_go_to_the_dead_letter_with_its_words(
    mixpanel, tmp_path
) -> None:
    mixpanel.now = lambda: TIME - 10_000  # its clock says that half of them are in the future
    source = schema()
    for number in range(10):
        source += record(open_record(number, time=TIME - (number % 2) * 20_000))
    result = run(source + state(1), mixpanel, tmp_path, max_rejected_ratio=1)
    assert result.error is None
    assert mixpanel.insert_ids() == {f"event-{number}" for number in range(1, 10, 2)}
    assert [dead["record"]["id"] for dead in result.dead] == [
        f"event-{number}" for number in range(0, 10, 2)
    ]
    assert {(dead["field"], dead["status"]) for dead in result.dead} == {("properties.time", 400)}
    assert all(dead["message"] and dead["attempted_at"] for dead in result.dead)
    assert len(mixpanel.requests) == 2  # the accepted ones were not sent again
    assert result.account.imported.total() + result.account.rejected.total() == 10


@pytest.mark.parametrize("fault", [faults.NOT_UNDERSTOOD, faults.TOO_LARGE], ids=repr)
def test_the_culprit_of_a_request_refused_as_a_whole_is_found_by_halving(
    mixpanel, tmp_path, fault
) -> None:
    mixpanel.policy = faults.when_it_holds(
        lambda event: event["properties"].get("$insert_id") == "event-37", fault
    )
    result = run(schema() + opens(64) + state(1), mixpanel, tmp_path)
    assert result.error is None
    assert mixpanel.insert_ids() == ids(64) - {"event-37"}
    assert [dead["record"]["id"] for dead in result.dead] == ["event-37"]
    assert mixpanel.duplicates == 0
    assert result.states == [{"bookmarks": {STREAM: 1}}]


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"service_account_password": "another-secret"}, "service_account_password"),
        ({"project_id": "999"}, "project_id"),
        (
            {
                "service_account_username": None,
                "service_account_password": None,
                "api_secret": "another-secret",
            },
            "api_secret",
        ),
    ],
)
def test_wrong_credentials_stop_before_anything_is_sent_and_name_the_setting(
    mixpanel, tmp_path, change, named
) -> None:
    result = run(THREE, mixpanel, tmp_path, **change)
    assert isinstance(result.error, SettingsError)
    assert named in str(result.error)
    assert len(mixpanel.requests) == 1
    assert mixpanel.count == 0
    assert result.states == []


def test_credentials_that_stop_working_stop_the_run(mixpanel, tmp_path) -> None:
    mixpanel.policy = [None, None, faults.Answer(401), faults.Answer(401)]
    result = run(
        schema()
        + opens(2)
        + state(1)
        + opens(2, start=2)
        + state(2)
        + opens(2, start=4)
        + state(3),
        mixpanel,
        tmp_path,
        batch_size=2,
        concurrency=1,
    )
    assert isinstance(result.error, SettingsError)
    assert {"bookmarks": {STREAM: 3}} not in result.states
    assert mixpanel.insert_ids() == ids(2)


@pytest.mark.parametrize(
    "fault",
    [
        faults.Miscount(),
        faults.Garbage(),
        faults.Answer(404),
        faults.Answer(202),
    ],
    ids=repr,
)
def test_an_answer_that_nobody_documented_stops_the_run_and_holds_state_back(
    mixpanel, tmp_path, fault
) -> None:
    mixpanel.policy = [None, fault]
    result = run(THREE, mixpanel, tmp_path)
    assert type(result.error) is ConnectorError
    assert result.states == []


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_names_the_address_and_gets_no_credentials(mixpanel, tmp_path, status) -> None:
    mixpanel.policy = [None, faults.Answer(status, {"Location": "https://example.com"})]
    result = run(THREE, mixpanel, tmp_path)
    assert isinstance(result.error, SettingsError)
    assert "redirects" in str(result.error)
    assert "api_url" in str(result.error)
    assert result.states == []


def test_a_trouble_that_does_not_pass_ends_the_run_for_now(mixpanel, tmp_path) -> None:
    mixpanel.policy = [None] + [faults.UNAVAILABLE] * 1000
    result = run(THREE, mixpanel, tmp_path, retry_seconds=0)
    assert isinstance(result.error, TemporaryError)
    assert "503" in str(result.error)
    assert "for 0 seconds (retry_seconds)" in str(result.error)
    assert result.states == []


@pytest.mark.parametrize(
    ("policy", "limit"),
    [
        ([None, faults.too_many(3600)], "600 seconds (retry_seconds)"),
        ([faults.too_many(3600)], "60 seconds (a test of the credentials)"),
    ],
)
def test_a_wait_longer_than_the_run_may_take_ends_it_at_once_and_says_so(
    mixpanel, tmp_path, policy, limit
) -> None:
    mixpanel.policy = policy
    result = run(THREE, mixpanel, tmp_path)
    assert isinstance(result.error, TemporaryError)
    assert f"a wait of 3600 seconds, more than is left of {limit}" in str(result.error)
    assert "The next run sends the events" in str(result.error)
    assert len(mixpanel.requests) == len(policy)


def test_state_waits_for_the_slowest_earlier_batch(mixpanel, tmp_path) -> None:
    """Batch 0 is held while batch 1 is answered: no STATE may pass until 0 is done."""
    gate = threading.Event()
    mixpanel.policy = lambda request: (
        faults.Hold(gate)
        if any(event["properties"].get("$insert_id") == "event-0" for event in request.events)
        else None
    )
    passed_early: list[int] = []

    def let_go() -> None:
        mixpanel.wait_for(lambda server: server.accepted >= 2)
        passed_early.append(len(states))
        gate.set()

    watcher = threading.Thread(target=let_go)
    states: list = []
    watcher.start()
    result = run(
        schema() + opens(2) + state(1) + opens(2, start=2) + state(2),
        mixpanel,
        tmp_path,
        batch_size=2,
    )
    watcher.join()
    assert passed_early == [0]
    assert result.states[-1] == {"bookmarks": {STREAM: 2}}


def test_a_long_run_leaves_bookmarks_on_its_way(mixpanel, tmp_path) -> None:
    source = schema() + b"".join(opens(10, start=n * 10) + state(n) for n in range(20))
    result = run(source, mixpanel, tmp_path, batch_size=10, concurrency=1)
    assert len(result.states) > 3
    assert result.states[-1] == {"bookmarks": {STREAM: 19}}


def test_too_many_rejections_stop_the_run_and_hold_state_back(mixpanel, tmp_path) -> None:
    bad = b"".join(record(open_record(n, time="never")) for n in range(60))
    result = run(schema() + opens(100, start=100) + bad + state(1), mixpanel, tmp_path)
    assert isinstance(result.error, TooManyRejectedError)
    assert "max_rejected_ratio" in str(result.error)
    assert result.states == []
    assert len(result.dead) == 60


def test_a_few_rejections_among_few_events_do_not(mixpanel, tmp_path) -> None:
    bad = b"".join(record(open_record(n, time="never")) for n in range(5))
    result = run(schema() + bad + state(1), mixpanel, tmp_path)
    assert result.error is None
    assert result.states == [{"bookmarks": {STREAM: 1}}]


def test_the_dead_letter_can_be_replayed(mixpanel, tmp_path) -> None:
    source = schema() + record(open_record(1, time=TIME)) + record({"id": "event-2", "time": TIME})
    mixpanel.now = lambda: TIME - 10_000
    first = run(source, mixpanel, tmp_path)
    assert mixpanel.count == 0
    (dead_letter,) = (tmp_path / "dead_letter").glob("*.jsonl")
    assert dead_letter.stat().st_mode & 0o777 == 0o600
    assert dead_letter.parent.stat().st_mode & 0o777 == 0o700
    assert first.dead[0]["record"] == open_record(1, time=TIME)
    mixpanel.now = lambda: TIME
    again = run(dead_letter.read_bytes(), mixpanel, tmp_path)
    assert again.error is None
    assert mixpanel.insert_ids() == {"event-1"}


def test_the_sums_of_the_account_agree(mixpanel, tmp_path) -> None:
    source = schema() + opens(5)
    source += record({"id": "a", "time": TIME})  # anonymous
    source += record(open_record(90, time=1_200_000_000))  # before 2010
    source += record(open_record(91, time=None))  # refused here
    account = run(source, mixpanel, tmp_path).account
    assert account.read.total() == 8
    assert account.imported.total() == 5
    assert account.skipped == {
        ("Email Open", "anonymous"): 1,
        ("Email Open", "before min_event_time"): 1,
    }
    assert account.rejected == {("Email Open", "no time"): 1}
    assert account.under_way == 0


def test_bookmarks_go_on_while_the_last_batches_are_delivered(mixpanel, tmp_path) -> None:
    """After the end of input, too, STATE does not wait for batches that come after it."""
    gate = threading.Event()
    mixpanel.policy = lambda request: (
        faults.Hold(gate)
        if any(event["properties"].get("$insert_id") == "event-9" for event in request.events)
        else None
    )
    passed: list[dict] = []

    class Watched(ImpatientTarget):
        def write_state(self, value: dict) -> None:
            passed.append(value)
            gate.set()

    target = Watched(config=settings(mixpanel, tmp_path, batch_size=5))
    target.listen(io.BytesIO(schema() + opens(5) + state(5) + opens(5, start=5) + state(10)))
    assert passed == [{"bookmarks": {STREAM: 5}}, {"bookmarks": {STREAM: 10}}]


def test_a_stop_during_an_outage_does_not_wait_for_its_end(mixpanel, tmp_path) -> None:
    mixpanel.policy = lambda request: faults.UNAVAILABLE if request.number else None

    class Patient(TargetMixpanel):
        retry_waits = staticmethod(lambda: itertools.repeat(3600.0))
        grace_seconds = 0.0

    target = Patient(config=settings(mixpanel, tmp_path, retry_seconds=36_000))
    states: list[dict] = []
    target.write_state = states.append
    source = io.BytesIO(schema() + opens(5) + state(5))
    stopper = threading.Thread(
        target=lambda: (
            mixpanel.wait_for(lambda server: len(server.requests) > 1),
            target.handle_signal(signal.SIGTERM),
        )
    )
    stopper.start()
    with pytest.raises(StoppedError):
        target.listen(source)
    stopper.join()
    assert states == []


def test_a_warning_about_a_passing_trouble_names_the_host_once(mixpanel, tmp_path, caplog) -> None:
    mixpanel.policy = [None, faults.UNAVAILABLE]
    run(THREE, mixpanel, tmp_path)
    (warning,) = [r.getMessage() for r in caplog.records if r.levelname == "WARNING"]
    assert warning.count(mixpanel.url) == 1


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (lambda url: url.replace("http:", "https:"), "certificate"),
        (lambda _: "https://api..mixpanel.com", "is not a URL that a request can be sent to"),
        (lambda _: f"https://{'a' * 70}.mixpanel.com", "not a URL that a request can be sent to"),
    ],
)
def test_a_url_that_can_never_answer_is_named_at_once(mixpanel, tmp_path, url, said) -> None:
    address = url(mixpanel.url)
    result = run(THREE, None, tmp_path, api_url=address)
    assert isinstance(result.error, SettingsError)
    assert address in str(result.error)
    assert said in str(result.error)
