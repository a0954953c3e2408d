"""Mixpanel's query API to test against, for a tap whose hosts are fixed.

    with FakeMixpanelQuery() as mixpanel:
        mixpanel.put(1001, "Active readers", {"u1", "u2"})
        ...  # environment of the tap: mixpanel.environment(folder)

A proxy on the loopback interface that answers CONNECT for Mixpanel's hosts, ends TLS itself with a
certificate of its own authority, and serves profiles and cohorts by Mixpanel's documented rules.
Any other host is refused, so nothing leaves the machine.
"""

from __future__ import annotations

import base64
import binascii
import json
import ssl
import threading
import uuid
from contextlib import suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import trustme

from tests.fakes.loopback_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

API_SECRET = "mixpanel-api-secret-b81c"
HOSTS = ("mixpanel.com", "eu.mixpanel.com", "data.mixpanel.com", "data-eu.mixpanel.com")
LEAST_PAGE, DEFAULT_PAGE = 100, 1000
CREATED = "2024-03-19 23:49:51"


class RefusedError(Exception):
    """Ends a request with an error answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@dataclass
class Cohort:
    """A cohort as Mixpanel knows it; its members are in their order."""

    name: str
    members: list[str]


@dataclass
class _Query:
    """What the pages of one query are cut from: later changes do not move its pages."""

    people: list[str]
    cohort_id: int | None
    page_size: int


@dataclass(frozen=True)
class Asked:
    """One request: the host it was for, its path and its parameters."""

    host: str
    path: str
    parameters: dict[str, str] = field(default_factory=dict)


class FakeMixpanelQuery(LoopbackServer):
    """One project. `profiles` and `cohorts` may change at any time."""

    def __init__(self) -> None:
        self.profiles: dict[str, dict[str, Any]] = {}
        self.cohorts: dict[int, Cohort] = {}
        self.asked: list[Asked] = []
        self.cut_members_from_page: int | None = None
        """From this page of any cohort on, answers break off in the middle."""
        self._queries: dict[str, _Query] = {}
        self._lock = threading.Lock()
        self._authority = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._authority.issue_cert(*HOSTS).configure_cert(context)
        server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self, context))
        server.daemon_threads = False
        super().__init__(server)

    def environment(self, folder: Path) -> dict[str, str]:
        """Give the environment that leads requests here; the authority's file goes to `folder`."""
        bundle = folder / "authority.pem"
        self._authority.cert_pem.write_to_path(str(bundle))
        return {"HTTPS_PROXY": self.url, "https_proxy": self.url, "REQUESTS_CA_BUNDLE": str(bundle)}

    def put(self, cohort_id: int, name: str, members: Iterable[str]) -> None:
        """Set a cohort; members without a profile get an empty one."""
        cohort = Cohort(name, sorted(members))
        with self._lock:
            self.cohorts[cohort_id] = cohort
            for who in cohort.members:
                self.profiles.setdefault(who, {})

    def pages(self, cohort_id: int) -> int:
        """How many pages of a cohort's members were asked for."""
        wanted = json.dumps({"id": cohort_id})
        return sum(asked.parameters.get("filter_by_cohort") == wanted for asked in self.asked)

    def answer(self, host: str, target: str, authorization: str | None) -> tuple[int, bytes]:
        """Answer one request: status and body."""
        parts = urlsplit(target)
        parameters = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        with self._lock:
            self.asked.append(Asked(host, parts.path, parameters))
            try:
                _check_secret(authorization)
                body, cut = self._serve(parts.path, parameters)
            except RefusedError as error:
                status = error.status
                return status, json.dumps({"status": "error", "error": str(error)}).encode()
        content = json.dumps(body).encode()
        return 200, content[: len(content) // 2] if cut else content

    def _serve(self, path: str, parameters: dict[str, str]) -> tuple[Any, bool]:
        if path == "/api/2.0/engage":
            return self._engage(parameters)
        if path == "/api/2.0/engage/properties":
            names = {name for profile in self.profiles.values() for name in profile}
            found = {name: {"count": len(self.profiles), "type": "string"} for name in names}
            return {"status": "ok", "results": found}, False
        if path == "/api/2.0/events/properties/top":
            return {"$city": {"count": 1}}, False
        if path == "/api/2.0/cohorts/list":
            return [_listed(number, cohort) for number, cohort in self.cohorts.items()], False
        raise RefusedError(404, f"{path} is not served here")

    def _engage(self, parameters: dict[str, str]) -> tuple[dict[str, Any], bool]:
        page = int(parameters.get("page", 0))
        session_id = parameters.get("session_id")
        if (session_id is None) != ("page" not in parameters):
            raise RefusedError(400, "page and session_id go together")
        wanted = self._wanted(parameters)
        if session_id is None:
            session_id = uuid.uuid4().hex
            self._queries[session_id] = wanted
        query = self._queries.get(session_id)
        if query is None:
            raise RefusedError(400, "unknown session_id")
        if (query.cohort_id, query.page_size) != (wanted.cohort_id, wanted.page_size):
            raise RefusedError(400, "a query may not change between its pages")
        people = query.people[page * query.page_size : (page + 1) * query.page_size]
        answer = {
            "status": "ok",
            "page": page,
            "page_size": query.page_size,
            "session_id": session_id,
            "total": len(query.people),
            "results": [
                {"$distinct_id": who, "$properties": dict(self.profiles[who])} for who in people
            ],
        }
        first = self.cut_members_from_page
        return answer, query.cohort_id is not None and first is not None and page >= first

    def _wanted(self, parameters: dict[str, str]) -> _Query:
        page_size = int(parameters.get("page_size", DEFAULT_PAGE))
        if page_size < LEAST_PAGE:
            raise RefusedError(400, f"page_size is at least {LEAST_PAGE}")
        if "filter_by_cohort" not in parameters:
            return _Query(sorted(self.profiles), None, page_size)
        cohort_id = json.loads(parameters["filter_by_cohort"])["id"]
        if cohort_id not in self.cohorts:
            raise RefusedError(400, "unknown cohort")
        return _Query(list(self.cohorts[cohort_id].members), cohort_id, page_size)


def _check_secret(authorization: str | None) -> None:
    kind, _, encoded = (authorization or "").partition(" ")
    given = ""
    with suppress(binascii.Error, UnicodeDecodeError):
        given = base64.b64decode(encoded).decode()
    if kind != "Basic" or given.removesuffix(":") != API_SECRET:
        raise RefusedError(401, "Invalid API secret")


def _listed(cohort_id: int, cohort: Cohort) -> dict[str, Any]:
    return {
        "id": cohort_id,
        "name": cohort.name,
        "description": "",
        "created": CREATED,
        "count": len(cohort.members),
        "is_visible": 1,
        "project_id": 42,
    }


def _handler(mixpanel: FakeMixpanelQuery, context: ssl.SSLContext) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        timeout = 60
        host = ""

        def do_CONNECT(self) -> None:
            host, _, port = self.path.rpartition(":")
            if host not in HOSTS or port != "443":
                self.send_error(403, "not a host of Mixpanel")
                return
            self.send_response(200)
            self.end_headers()
            self.host = host
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile = self.connection.makefile("rb")
            self.wfile = self.connection.makefile("wb", buffering=0)
            self.close_connection = False

        def do_GET(self) -> None:
            if not self.host:
                self.send_error(403, "only through CONNECT")
                return
            status, content = mixpanel.answer(
                self.host, self.path, self.headers.get("Authorization")
            )
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def finish(self) -> None:
            super().finish()
            self.connection.close()

        def log_message(self, *_: object) -> None:
            pass

    return Handler
