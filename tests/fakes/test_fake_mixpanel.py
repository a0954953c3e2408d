"""The fake keeps to the documented rules: else the tests that use it prove nothing."""

from __future__ import annotations

import gzip
import json
import threading
from base64 import b64encode

import pytest
import requests

from tests.fakes import mixpanel_faults as faults
from tests.fakes.fake_mixpanel import FakeMixpanel

NOW = 1_793_600_000


def event(insert_id="a-1", **properties):
    return {
        "event": "Email Open",
        "properties": {"time": NOW, "distinct_id": "anna", "$insert_id": insert_id, **properties},
    }


def send(server, events, *, user="api-secret", password="", params=None, **kwargs):
    body = events if isinstance(events, bytes) else json.dumps(events).encode()
    headers = {"Content-Type": "application/json", **kwargs.pop("headers", {})}
    return requests.post(
        f"{server.url}/import",
        data=body,
        params={"strict": "1", **(params or {})},
        headers=headers,
        auth=(user, password) if user else None,
        timeout=10,
        **kwargs,
    )


@pytest.fixture
def server():
    with FakeMixpanel(now=lambda: NOW, keep_bodies=True) as fake:
        yield fake


@pytest.mark.parametrize(
    ("user", "password", "params", "status", "kind"),
    [
        ("account", "account-secret", {"project_id": "12345"}, 200, "service_account"),
        ("account", "account-secret", {}, 400, "service_account"),
        ("account", "account-secret", {"project_id": "9"}, 403, "service_account"),
        ("account", "guess", {"project_id": "12345"}, 401, "wrong"),
        ("project-token", "", {}, 200, "project_token"),
        ("api-secret", "", {}, 200, "api_secret"),
        ("someone", "", {}, 401, "wrong"),
        ("", "", {}, 401, "none"),
    ],
)
def test_each_kind_of_credentials_has_its_answer(server, user, password, params, status, kind):
    assert (
        send(server, [event()], user=user, password=password, params=params).status_code == status
    )
    assert server.requests[0].auth == kind
    assert server.count == (status == 200)


def test_valid_events_of_a_request_are_imported_and_the_others_named(server):
    answer = send(server, [event("ok-1"), event("b", time="soon"), event("ok-2"), {"event": ""}])
    assert answer.status_code == 400
    body = answer.json()
    assert [(r["index"], r["$insert_id"], r["field"]) for r in body["failed_records"]] == [
        (1, "b", "properties.time"),
        (3, "", "event"),
    ]
    assert body["num_records_imported"] == 2
    assert server.insert_ids() == {"ok-1", "ok-2"}


def test_the_id_in_failed_records_can_have_its_other_name():
    with FakeMixpanel(id_key="insert_id", now=lambda: NOW) as fake:
        failed = send(fake, [event("x", time=None)]).json()["failed_records"]
    assert failed[0]["insert_id"] == "x"


@pytest.mark.parametrize(
    "properties",
    [
        {"time": None},
        {"time": True},
        {"time": 31_535_999},
        {"time": NOW + 3601},
        {"distinct_id": None},
        {"distinct_id": 7},
        {"distinct_id": "Anonymous"},
        {"$insert_id": "under_score"},
        {"$insert_id": "a" * 37},
        {"$insert_id": ""},
        {"$insert_id": "NULL"},
        {f"p{n}": n for n in range(252)},
        {"deep": {"a": {"b": {"c": {}}}}},
        {"deep": [{"a": {"b": {"c": {}}}}]},
        {"wide": dict.fromkeys(map(str, range(255)))},
        {"long": list(range(255))},
        {"big": "x" * 1_000_000},
    ],
    ids=lambda properties: "-".join(list(properties)[:1]),
)
def test_an_event_beyond_a_limit_is_refused(server, properties):
    assert send(server, [event(**properties)]).status_code == 400
    assert server.count == 0


@pytest.mark.parametrize(
    "properties",
    [
        {"time": 31_536_000_000_000 // 20},
        {"time": NOW + 3600},
        {"time": NOW + 0.5},
        {"distinct_id": ""},
        {"$insert_id": "a" * 36},
        {f"p{n}": n for n in range(251)},
        {"deep": {"a": {"b": {"c": 1}}}},
        {"wide": dict.fromkeys(map(str, range(254)))},
        {"long": list(range(254))},
    ],
    ids=lambda properties: "-".join(list(properties)[:1]),
)
def test_an_event_at_a_limit_is_taken(server, properties):
    assert send(server, [event(**properties)]).json()["num_records_imported"] == 1
    assert server.count == 1


def test_equal_events_are_held_once_and_old_ones_not_at_all(server):
    twice = [event(), event(color="red"), event(time=NOW - 1), event("z", time=1_262_303_999)]
    assert send(server, twice).json()["num_records_imported"] == 4
    assert (server.count, server.duplicates, server.removed_by_retention) == (2, 1, 1)
    assert server.events()[0]["properties"]["color"] == "red"
    assert server.names() == {"Email Open": 2}


def test_gzip_and_lines_are_understood(server):
    lines = b"\n".join(json.dumps(event(f"n{n}")).encode() for n in range(3))
    body = gzip.compress(lines)
    headers = {"Content-Encoding": "gzip", "Content-Type": "application/x-ndjson"}
    assert send(server, body, headers=headers).json()["num_records_imported"] == 3
    request = server.requests[0]
    assert (request.size, request.wire_size, request.event_count) == (len(lines), len(body), 3)
    assert len(request.events) == 3


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{}", {}, 400),
        (b"[", {}, 400),
        (b"[]", {"Content-Type": "text/plain"}, 400),
        (b"[]", {"Content-Encoding": "br"}, 400),
        (b"[]", {"Content-Encoding": "gzip"}, 400),
        (json.dumps([1] * 2001).encode(), {}, 413),
        (b"[" + b" " * 10_000_000 + b"]", {}, 413),
        (gzip.compress(b"[" + b" " * 10_000_000 + b"]"), {"Content-Encoding": "gzip"}, 413),
    ],
    ids=[
        "an object",
        "half a list",
        "not JSON by its type",
        "an unknown encoding",
        "not packed",
        "too many events",
        "too large",
        "too large when unpacked",
    ],
)
def test_a_body_that_is_no_batch_is_refused_as_a_whole(server, body, headers, status):
    answer = send(server, body, headers=headers)
    assert answer.status_code == status
    assert "failed_records" not in answer.json()


def test_strict_is_required(server):
    assert send(server, [event()], params={"strict": "0"}).status_code == 400


def test_faults_come_in_their_turn():
    turns = [
        faults.too_many(7),
        faults.SERVER_ERROR,
        faults.Close("before_reading"),
        faults.Close("before_storing"),
        None,
    ]
    with FakeMixpanel(policy=turns, now=lambda: NOW) as fake:
        limited = send(fake, [event()])
        assert (limited.status_code, limited.headers["Retry-After"]) == (429, "7")
        assert send(fake, [event()]).status_code == 500
        for _ in range(2):
            with pytest.raises(requests.ConnectionError):
                send(fake, [event()])
        assert fake.count == 0
        assert send(fake, [event()]).status_code == 200
        fake.wait_for(lambda f: len(f.requests) == 5)
        assert [request.status for request in fake.requests] == [429, 500, 0, 0, 200]


@pytest.mark.parametrize("when", ["after_storing", "in_answer"])
def test_an_answer_can_be_lost_after_the_events_were_stored(when):
    with FakeMixpanel(policy=[faults.Close(when)], now=lambda: NOW) as fake:
        with pytest.raises(requests.RequestException):
            send(fake, [event()])
        assert fake.count == 1


def test_an_answer_can_lie():
    with FakeMixpanel(policy=[faults.Miscount(-1), faults.Garbage()], now=lambda: NOW) as fake:
        assert send(fake, [event()]).json()["num_records_imported"] == 0
        assert send(fake, [event("b")]).text.startswith("<html>")
        assert fake.count == 2


def test_a_policy_can_look_at_the_request():
    culprit = faults.when_it_holds(lambda e: e["properties"]["$insert_id"] == "bad")
    with FakeMixpanel(policy=faults.first_of(culprit, faults.above(500)), now=lambda: NOW) as fake:
        answer = send(fake, [event(), event("bad")])
        assert answer.status_code == 400
        assert "failed_records" not in answer.json()
        assert send(fake, [event(f"n{n}") for n in range(9)]).status_code == 413
        assert send(fake, [event()]).status_code == 200
        assert fake.count == 1


def test_faults_by_chance_are_the_same_for_the_same_seed():
    policy = faults.now_and_then(0.5, seed=3)
    with FakeMixpanel() as fake:
        send(fake, [])
        one = fake.requests[0]
    assert policy(one) == policy(one)


def test_an_answer_can_wait_for_the_test():
    let_go = threading.Event()
    with FakeMixpanel(policy=[faults.Hold(let_go)], now=lambda: NOW) as fake:
        sender = threading.Thread(target=send, args=(fake, [event()]))
        sender.start()
        fake.wait_for(lambda f: f.in_flight == 1)
        assert fake.count == 0
        let_go.set()
        sender.join()
        assert fake.count == 1


def test_connections_are_kept_alive(server):
    session = requests.Session()
    header = {"Authorization": "Basic " + b64encode(b"api-secret:").decode()}
    for number in range(3):
        session.post(
            f"{server.url}/import?strict=1",
            json=[event(f"k{number}")],
            headers=header,
            timeout=10,
        ).raise_for_status()
    session.close()
    assert server.connections == 1
    assert server.count == 3
