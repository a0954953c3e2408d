"""The application without a network: limits, trouble, and what is logged."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from base64 import b64encode

import pytest

from tap_mixpanel_cohorts.inbox import app as app_module
from tap_mixpanel_cohorts.inbox.access import BasicAccess
from tap_mixpanel_cohorts.inbox.app import Inbox, make_app

BASIC = b"Basic " + b64encode(b"user:pw-1")
MARKER = "marker@example.com"


class Store:
    """Keeps pages; may be held, and may fail."""

    def __init__(self):
        self.pushes = []
        self.error = None
        self.go = threading.Event()
        self.go.set()

    def store(self, push):
        assert self.go.wait(20)
        if self.error:
            raise self.error
        self.pushes.append(push)
        return "stored"


def page(**changes):
    parameters = {
        "mixpanel_project_id": 1,
        "mixpanel_cohort_id": 7,
        "mixpanel_cohort_name": "VIP",
        "mixpanel_session_id": "s1",
        "page_info": {"total_pages": 1, "page_count": 1},
        "members": [{"mixpanel_distinct_id": "u1", "email": MARKER}],
        **changes,
    }
    return json.dumps({"action": "members", "parameters": parameters}).encode()


class Call:
    """One HTTP request to the application; its body can come slowly."""

    def __init__(self, app, body=b"", *, path="/", method="POST", authorization=BASIC):
        self._app = app
        self._scope = {
            "type": "http",
            "http_version": "1.1",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(b"authorization", authorization)] if authorization else [],
        }
        self._parts = asyncio.Queue()
        self.status = None
        self.headers = {}
        self.content = b""
        if body is not None:
            self.send(body, more=False)

    def send(self, body, *, more=True):
        self._parts.put_nowait({"type": "http.request", "body": body, "more_body": more})

    def disconnect(self):
        self._parts.put_nowait({"type": "http.disconnect"})

    async def __call__(self):
        await self._app(self._scope, self._parts.get, self._take)
        return self

    async def _take(self, message):
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = dict(message["headers"])
        else:
            self.content += message.get("body", b"")

    @property
    def message(self):
        return json.loads(self.content)["error"]["message"]


@pytest.fixture
def store():
    return Store()


@pytest.fixture
def pings():
    return []


@pytest.fixture
def app(store, pings):
    def ping():
        if pings:
            raise pings[0]

    access = BasicAccess("user", "pw-1")
    return make_app(Inbox(store, access, [], ping=ping, writers=4), lambda: 0)


def ask(app, body=b"", **options):
    async def one():
        return await Call(app, body, **options)()

    return asyncio.run(one())


async def until(condition):
    for _ in range(4000):
        if condition():
            return
        await asyncio.sleep(0.005)
    raise AssertionError


def test_a_page_is_stored_before_success_is_answered(app, store):
    async def check():
        store.go.clear()
        call = Call(app, page())
        running = asyncio.ensure_future(call())
        await asyncio.sleep(0.1)
        assert call.status is None
        store.go.set()
        await running
        assert (call.status, len(store.pushes)) == (200, 1)

    asyncio.run(check())


def test_too_many_requests_at_once_are_503_so_that_mixpanel_tries_again(app, store, monkeypatch):
    monkeypatch.setattr(app_module, "MOST_REQUESTS", 20)

    async def check():
        store.go.clear()
        calls = [Call(app, page()) for _ in range(25)]
        running = [asyncio.ensure_future(call()) for call in calls]
        await until(lambda: sum(call.status is not None for call in calls) == 5)
        refused = [call for call in calls if call.status is not None]
        assert {call.status for call in refused} == {503}
        assert {call.headers[b"retry-after"] for call in refused} == {b"5"}
        assert "Too many requests" in refused[0].message
        store.go.set()
        await asyncio.gather(*running)
        assert [call.status for call in calls].count(200) == 20
        assert (await Call(app, page())()).status == 200

    asyncio.run(check())


def test_too_many_bytes_at_once_are_503_and_the_memory_stays_small(app, store, monkeypatch):
    monkeypatch.setattr(app_module, "MOST_BYTES_IN_FLIGHT", 3_000_000)

    async def check():
        calls = [Call(app, None) for _ in range(3)]
        running = [asyncio.ensure_future(call()) for call in calls]
        for call in calls:
            call.send(b" " * 1_200_000)
            await asyncio.sleep(0.02)
        await until(lambda: calls[2].status is not None)
        assert calls[2].status == 503
        assert "Too many bytes at the same time" in calls[2].message
        for call in calls[:2]:
            call.send(page(), more=False)
        await asyncio.gather(*running)
        assert [call.status for call in calls] == [200, 200, 503]
        assert (await Call(app, b" " * 2_500_000 + page())()).status == 200

    asyncio.run(check())


def test_a_body_over_the_limit_is_413_as_soon_as_it_is_over(app, store):
    async def check():
        call = Call(app, None)
        running = asyncio.ensure_future(call())
        for _ in range(11):
            call.send(b" " * 1_000_000)
        await running
        assert call.status == 413
        assert "Properties to Export" in call.message

    asyncio.run(check())
    assert store.pushes == []


def test_a_body_that_stops_coming_is_503(app, store, monkeypatch):
    monkeypatch.setattr(app_module, "BODY_SECONDS", 0.05)

    async def check():
        call = Call(app, None)
        call.send(page()[:20])
        await call()
        assert (call.status, store.pushes) == (503, [])

    asyncio.run(check())


def test_a_connection_that_breaks_in_a_body_stores_nothing(app, store):
    async def check():
        call = Call(app, None)
        call.send(page()[:20])
        call.disconnect()
        await call()

    asyncio.run(check())
    assert store.pushes == []


@pytest.mark.parametrize("error", [OSError(f"disk full at {MARKER}"), ValueError(MARKER)])
def test_any_trouble_of_ours_is_503_and_its_text_is_not_logged(app, store, caplog, error):
    store.error = error
    with caplog.at_level(logging.INFO):
        call = ask(app, page())
    assert (call.status, call.headers[b"retry-after"]) == (503, b"5")
    logged = "".join(str(vars(record)) for record in caplog.records)
    assert type(error).__name__ in logged
    assert MARKER not in logged + call.content.decode()


def test_the_log_of_a_call_says_what_came_and_nothing_of_a_person(app, caplog):
    with caplog.at_level(logging.INFO):
        ask(app, page())
    (fields,) = [record.fields for record in caplog.records if record.message == "push"]
    assert fields.pop("ms") >= 0
    assert fields == {
        "action": "members",
        "project": "1",
        "cohort": "7",
        "session": "s1",
        "page": 1,
        "pages": 1,
        "members": 1,
        "outcome": "stored",
        "status": 200,
    }


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        b"",
        b"Basic",
        b"Basic !!!",
        b"Bearer " + b64encode(b"user:pw-1"),
        b"Basic " + b64encode(b"user:"),
        b"Basic " + b64encode(b"other:pw-1"),
        b"Basic " + b64encode(b"\xff:\xfe"),
    ],
)
def test_wrong_credentials_are_401_before_the_body_is_read(app, store, authorization):
    call = ask(app, b"nonsense", authorization=authorization)
    assert (call.status, call.headers[b"www-authenticate"]) == (401, b"Basic")
    assert json.loads(call.content)["status"] == "failure"
    assert store.pushes == []


@pytest.mark.parametrize(
    ("path", "method", "status"),
    [("/else", "POST", 404), ("/", "GET", 405), ("/ready", "PUT", 405)],
)
def test_what_is_not_served_has_the_failure_form_too(app, path, method, status):
    call = ask(app, page(), path=path, method=method)
    assert call.status == status
    assert "POST /" in call.message


def test_readiness_follows_the_database_and_health_does_not(app, pings):
    assert ask(app, path="/ready", method="GET").status == 200
    pings.append(OSError(MARKER))
    ready = ask(app, path="/ready", method="GET")
    assert (ready.status, json.loads(ready.content)) == (503, {"status": "unavailable"})
    assert ask(app, path="/health", method="GET").status == 200
