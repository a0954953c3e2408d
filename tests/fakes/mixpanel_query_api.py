"""Mixpanel's query API by its documented rules, as a loopback HTTP server.

    with MixpanelQueryApi() as mixpanel:
        mixpanel.put(1000, "VIP", {"u1": {"$braze_external_id": "b1"}})
        ...  # {"api_url": mixpanel.url, **mixpanel.account}

Service accounts or the API secret, sessions, page sizes, 60 queries an hour, 5 at a time. `faults`
holds what goes wrong: functions that see a request before it is served and may answer instead.
"""

from __future__ import annotations

import base64
import json
import threading
import time
import uuid
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.fakes.loopback_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

USERNAME, PASSWORD, API_SECRET = "account.1f3a.mp-service-account", "pw-9c1e77aa", "secret-b81c55"
PROJECT = "4242"
CREATED = "2024-03-19 23:49:51"
CUT = "cut"
"""A fault that serves the request and breaks the answer off in the middle."""


@dataclass(frozen=True)
class Asked:
    """One request."""

    path: str
    fields: dict[str, str]
    at: float

    @property
    def cohort(self) -> int | None:
        given = self.fields.get("filter_by_cohort")
        return json.loads(given)["id"] if given else None

    @property
    def page(self) -> int:
        return int(self.fields.get("page", 0))


@dataclass
class Answer:
    """An answer in place of the ordinary one."""

    status: int
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class Cohort:
    name: str
    people: dict[str, dict[str, Any]]
    count: int | None = None
    """What the list says, where that differs from what is there."""


@dataclass
class _Session:
    cohort: int
    people: list[tuple[str, dict[str, Any]]]
    page_size: int


class MixpanelQueryApi(LoopbackServer):
    """One project; its cohorts may change at any time."""

    def __init__(self, *, per_hour: int = 60, at_a_time: int = 5, most_page: int = 40_000) -> None:
        self.cohorts: dict[int, Cohort] = {}
        self.asked: list[Asked] = []
        self.faults: deque[Callable[[Asked], Answer | str | None]] = deque()
        """Each sees every request; what it returns is the answer, None lets the request pass."""
        self.per_hour = per_hour
        self.at_a_time = at_a_time
        self.most_page = most_page
        self.most_at_once = 0
        self.seconds = 0.0
        """How long the service takes for each query."""
        self.sends_all_properties = False
        """Whether `output_properties` is ignored."""
        self._sessions: dict[str, _Session] = {}
        self._running = 0
        self._lock = threading.Lock()
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        super().__init__(server)

    account: ClassVar = {
        "service_account_username": USERNAME,
        "service_account_password": PASSWORD,
        "project_id": PROJECT,
    }

    def put(
        self,
        cohort_id: int,
        name: str,
        people: Iterable[str] | Mapping[str, dict[str, Any]],
        count: int | None = None,
    ) -> None:
        given = dict(people) if hasattr(people, "items") else {who: {} for who in people}
        self.cohorts[cohort_id] = Cohort(name, given, count)

    def fail(self, answer: Answer | str, *, page: int | None = None, times: int = 1, **of: Any):
        """Answer so many of the requests for a page (of a cohort) with a fault."""
        left = [times]

        def fault(asked: Asked) -> Answer | str | None:
            if page is not None and (asked.path != "engage" or asked.page != page):
                return None
            if "cohort" in of and asked.cohort != of["cohort"]:
                return None
            if "path" in of and asked.path != of["path"]:
                return None
            left[0] -= 1
            return answer if left[0] >= 0 else None

        self.faults.append(fault)

    def expire_sessions(self) -> None:
        self._sessions.clear()

    def pages(self, cohort_id: int) -> list[int]:
        return [asked.page for asked in self.asked if asked.cohort == cohort_id]

    def answer(
        self, target: str, authorization: str | None, body: str
    ) -> tuple[int, bytes, dict[str, str]]:
        parts = urlsplit(target)
        fields = {k: v[-1] for k, v in parse_qs(f"{parts.query}&{body}").items()}
        asked = Asked(parts.path.removeprefix("/api/query/"), fields, time.time())
        with self._lock:
            self.asked.append(asked)
            self._running += 1
            self.most_at_once = max(self.most_at_once, self._running)
            given = next(filter(None, (fault(asked) for fault in self.faults)), None)
            answer = given if isinstance(given, Answer) else self._serve(asked, authorization)
        time.sleep(self.seconds)
        with self._lock:
            self._running -= 1
        content = json.dumps(answer.body).encode()
        return (
            answer.status,
            content[: len(content) // 2] if given == CUT else content,
            {
                **answer.headers,
                "X-Length": str(len(content)),
            },
        )

    def _serve(self, asked: Asked, authorization: str | None) -> Answer:
        refusal = self._refuse(asked, authorization)
        if refusal is not None:
            return refusal
        if asked.path == "cohorts/list":
            return Answer(200, [_listed(key, cohort) for key, cohort in self.cohorts.items()])
        if asked.path == "engage":
            return self._engage(asked)
        return _error(404, f"{asked.path} is not served here")

    def _refuse(self, asked: Asked, authorization: str | None) -> Answer | None:
        user, _, password = _credentials(authorization)
        if user == API_SECRET and not password:
            pass
        elif (user, password) != (USERNAME, PASSWORD):
            return _error(401, "Invalid service account credentials")
        elif asked.fields.get("project_id") != PROJECT:
            return _error(400, "Unable to access this project: check project_id and data residency")
        recent = sum(asked.at - earlier.at < 3600 for earlier in self.asked)
        if recent > self.per_hour or self._running > self.at_a_time:
            return _error(
                429,
                f"Query rate limit exceeded for project_id: {PROJECT}. {self._running}/"
                f"{self.at_a_time} queries running concurrently and {recent}/{self.per_hour} "
                "queries running in the last hour.",
            )
        return None

    def _engage(self, asked: Asked) -> Answer:
        fields = asked.fields
        page, cohort_id = asked.page, asked.cohort
        if cohort_id not in self.cohorts:
            return _error(400, "unknown cohort")
        if page == 0:
            size = min(int(fields.get("page_size", 1000)), self.most_page)
            people = list(self.cohorts[cohort_id].people.items())
            if fields.get("include_all_users") != "true":
                people = [(who, profile) for who, profile in people if profile]
            session_id = uuid.uuid4().hex
            self._sessions[session_id] = _Session(cohort_id, people, size)
        else:
            session_id = fields.get("session_id", "")
            if session_id not in self._sessions:
                return _error(400, "unknown or expired session_id")
        session = self._sessions[session_id]
        wanted = json.loads(fields["output_properties"]) if "output_properties" in fields else None
        if self.sends_all_properties:
            wanted = None
        people = session.people[page * session.page_size : (page + 1) * session.page_size]
        body = {
            "page": page,
            "page_size": session.page_size,
            "session_id": session_id,
            "status": "ok",
            "results": [
                {
                    "$distinct_id": who,
                    "$properties": {
                        name: value
                        for name, value in profile.items()
                        if wanted is None or name in wanted
                    },
                }
                for who, profile in people
            ],
        }
        if page == 0:
            body["total"] = len(session.people)
        return Answer(200, body)


def _credentials(authorization: str | None) -> tuple[str, str, str]:
    kind, _, encoded = (authorization or "").partition(" ")
    text = ""
    if kind == "Basic":
        with suppress(ValueError):
            text = base64.b64decode(encoded).decode()
    return text.partition(":")


def _error(status: int, message: str) -> Answer:
    return Answer(status, {"request": "…", "error": message})


def _listed(cohort_id: int, cohort: Cohort) -> dict[str, Any]:
    return {
        "count": len(cohort.people) if cohort.count is None else cohort.count,
        "is_visible": 1,
        "description": "",
        "created": CREATED,
        "project_id": int(PROJECT),
        "id": cohort_id,
        "name": cohort.name,
    }


def _handler(mixpanel: MixpanelQueryApi) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60

        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            status, content, headers = mixpanel.answer(
                self.path, self.headers.get("Authorization"), self.rfile.read(length).decode()
            )
            self.send_response(status)
            for name, value in headers.items():
                self.send_header("Content-Length" if name == "X-Length" else name, value)
            self.end_headers()
            self.wfile.write(content)
            self.close_connection |= str(len(content)) != headers["X-Length"]

        do_POST = do_GET  # noqa: N815 - the library's name

        def log_message(self, *_: object) -> None:
            pass

    return Handler
