"""A Braze to test against: a real HTTP server that enforces the documented rules of two endpoints.

    with FakeBraze(users={"u1", "u2"}) as braze:
        ...  # rest_endpoint: braze.url
        assert braze.members("1001") == {"u1"}

`/partners/{partner}/cohorts[/users]` and `/users/track`, with keys, shapes and limits checked; ids
that Braze does not know are ignored, and users may be created later. `/users/track` names the
people whom it refuses beside a success, and answers 400 where it takes nobody of a request. Each
endpoint has a rate limit in windows, stated in the headers of each answer. A policy causes faults.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

from tests.fakes.braze_limits import DOCUMENTED_LIMITS, Limit, RateLimits
from tests.fakes.loopback_server import LoopbackServer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

DATA_IMPORT_KEY = "data-import-key-5f1e"
PARTNER_API_KEY = "partner-api-key-77c0"
API_KEY = "rest-api-key-a3d9"
MOST_IDS = 1000
MOST_OBJECTS = 75
MOST_BYTES = 4_000_000
MOST_VALUES = 25
NOBODY_VALID = "Valid data must be provided in the 'attributes', 'events', or 'purchases' fields."


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one request.

    Attributes:
        status: The answer; None for none: the connection breaks.
        applied: Whether the request takes effect all the same.
        headers: Of the answer.
        content: Of the answer, where it is not Braze's.
    """

    status: int | None
    applied: bool = False
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | None = None


LOST_ANSWER = Fault(status=None, applied=True)
BROKEN = Fault(status=None)


@dataclass
class Request:
    """One request as it came, and its answer."""

    path: str
    body: dict[str, Any]
    status: int | None = None

    @property
    def adds(self) -> list[str]:
        """Everybody whom the request adds, as text."""
        return self._people("add")

    @property
    def removes(self) -> list[str]:
        """Everybody whom the request takes out, as text."""
        return self._people("remove")

    def _people(self, verb: str) -> list[str]:
        people = []
        for change in self.body.get("cohort_changes", ()):
            if bool(change.get("should_remove")) is (verb == "remove"):
                people += _named(change)
        for user in self.body.get("attributes", ()):
            if any(isinstance(value, dict) and verb in value for value in user.values()):
                people.append(_user_of(user))
        return people


@dataclass
class Cohort:
    """A cohort as Braze knows it."""

    name: str
    created_at: str
    members: set[str] = field(default_factory=set)


class RefusedError(Exception):
    """Ends a request with an error answer."""

    def __init__(self, status: int, message: str, **more: object) -> None:
        super().__init__(message)
        self.status, self.more = status, more


class FakeBraze(LoopbackServer):
    """One workspace. Aliases are written `label/name`; other ids are themselves, e-mail addresses
    and Braze's own ids in lower case.
    """

    def __init__(
        self,
        *,
        users: Collection[str] | None = None,
        policy: Callable[[Request], Fault | None] = lambda _: None,
        malformed: Collection[str] = (),
        refused: Collection[str] = (),
        attribute: str = "mixpanel_cohorts",
        partner: str = "mixpanel",
        limits: Mapping[str, Limit] = DOCUMENTED_LIMITS,
        clock_ahead: float = 0.0,
        seconds: float = 0.0,
        locks_cohorts: bool = False,
    ) -> None:
        """Plan a server; it runs inside `with`.

        Args:
            users: Ids that Braze knows; None: all of them.
            policy: Decides for each request whether something goes wrong.
            malformed: Ids that make Braze answer 400 to the whole request.
            refused: Users that `/users/track` refuses inside a success.
            attribute: The array attribute.
            partner: The partner that is enabled.
            limits: The rate limits by the beginning of the path.
            clock_ahead: How far Braze's clock is ahead of this machine's, in seconds.
            seconds: How long each answer takes.
            locks_cohorts: Whether a cohort is locked while a request for it is under way.
        """
        self.users = None if users is None else set(users)
        self.policy = policy
        self.malformed = set(malformed)
        self.refused = set(refused)
        self.attribute = attribute
        self.partner = partner
        self.cohorts: dict[str, Cohort] = {}
        self.values: dict[str, list[str]] = {}
        self.requests: list[Request] = []
        self.seconds, self.locks_cohorts = seconds, locks_cohorts
        self.most_in_flight = 0
        self._in_flight = Counter[str]()
        self.limits = RateLimits(limits, clock_ahead)
        self._lock = threading.Lock()
        server = _Server(("127.0.0.1", 0), _handler(self))
        server.daemon_threads = True
        super().__init__(server)

    @property
    def in_flight(self) -> int:
        """How many requests are being worked on."""
        with self._lock:
            return self._in_flight.total()

    def members(self, label: str) -> set[str]:
        """Who is in a cohort, or has a value in the attribute."""
        with self._lock:
            if label in self.cohorts:
                return set(self.cohorts[label].members)
            return {user for user, values in self.values.items() if label in values}

    def writes(self) -> list[Request]:
        """The requests that were to change something: all but probes."""
        return [
            request
            for request in self.requests
            if request.body.get("cohort_changes")
            or request.body.get("attributes")
            or "name" in request.body
        ]

    def handle(self, path: str, authorization: str | None, raw: bytes) -> tuple[Fault | None, Any]:
        """Answer one request; gives the fault if one is due, else status and body."""
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        request = Request(path, body if isinstance(body, dict) else {})
        cohort = str(request.body.get("cohort_id", ""))
        with self._lock:
            self.requests.append(request)
            fault = self.policy(request)
            is_locked = self.locks_cohorts and bool(cohort) and self._in_flight[cohort] > 0
            self._in_flight[cohort] += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight.total())
        time.sleep(self.seconds)
        with self._lock:
            self._in_flight[cohort] -= 1
            answer: tuple[int, dict[str, Any]] = (0, {})
            if fault is None or fault.applied:
                try:
                    if is_locked:
                        raise RefusedError(423, "resource locked")  # noqa: TRY301
                    answer = self._apply(request, authorization, len(raw))
                except RefusedError as error:
                    answer = (error.status, {"message": str(error), **error.more})
            request.status = fault.status if fault else answer[0]
        return fault, answer

    def _apply(
        self, request: Request, authorization: str | None, size: int
    ) -> tuple[int, dict[str, Any]]:
        if not self.limits.take(request.path):
            raise RefusedError(429, "rate limit exceeded")
        base = f"/partners/{self.partner}/cohorts"
        if request.path == "/users/track":
            return self._track(request.body, authorization, size)
        if request.path not in {base, f"{base}/users"}:
            raise RefusedError(404, "not found")
        self._check_keys(request.body)
        cohort_id = request.body.get("cohort_id")
        if not isinstance(cohort_id, str) or not cohort_id:
            raise RefusedError(400, "invalid cohort_id")
        if request.path == base:
            self._name(cohort_id, request.body)
        else:
            self._change(cohort_id, request.body.get("cohort_changes"))
        return 200, {"message": "success"}

    def _check_keys(self, body: dict[str, Any]) -> None:
        if body.get("partner_api_key") != PARTNER_API_KEY:
            raise RefusedError(401, "invalid partner key")
        if body.get("client_secret") != DATA_IMPORT_KEY:
            raise RefusedError(401, "invalid client secret")

    def _name(self, cohort_id: str, body: dict[str, Any]) -> None:
        name, created_at = body.get("name"), body.get("created_at")
        if not isinstance(name, str) or not name.strip() or name in self.malformed:
            raise RefusedError(400, "invalid name")
        try:
            zoned = datetime.fromisoformat(str(created_at)).tzinfo is not None
        except ValueError:
            zoned = False
        if not zoned:
            raise RefusedError(400, "invalid created_at")
        cohort = self.cohorts.setdefault(cohort_id, Cohort(name, str(created_at)))
        cohort.name, cohort.created_at = name, str(created_at)

    def _change(self, cohort_id: str, changes: Any) -> None:
        if not isinstance(changes, list):
            raise RefusedError(400, "invalid cohort_changes")
        if not changes:
            return
        if cohort_id not in self.cohorts:
            raise RefusedError(400, "cohort was never named")
        named = [(change, _named(change)) for change in changes]
        everybody = [person for _, people in named for person in people]
        if not everybody or len(everybody) > MOST_IDS:
            raise RefusedError(400, f"{len(everybody)} ids")
        if max(Counter(everybody).values()) > 1:
            raise RefusedError(400, "somebody is named twice")
        if self.malformed.intersection(everybody):
            raise RefusedError(400, "malformed id")
        members = self.cohorts[cohort_id].members
        for change, people in named:
            known = self._known(people)
            if change["should_remove"]:
                members -= known
            else:
                members |= known

    def _track(
        self, body: dict[str, Any], authorization: str | None, size: int
    ) -> tuple[int, dict[str, Any]]:
        if authorization != f"Bearer {API_KEY}":
            raise RefusedError(401, "Invalid API Key")
        users = body.get("attributes")
        if not isinstance(users, list) or not 0 < len(users) <= MOST_OBJECTS or size > MOST_BYTES:
            raise RefusedError(400, "invalid attributes")
        if self.malformed.intersection(map(_user_of, users)):
            raise RefusedError(400, "malformed id")
        errors = []
        for index, user in enumerate(users):
            problem = self._track_one(user)
            if problem:
                errors.append({"type": problem, "input_array": "attributes", "index": index})
        if len(errors) == len(users):
            raise RefusedError(400, NOBODY_VALID, errors=errors)
        answer = {"message": "success", "attributes_processed": len(users) - len(errors)}
        return 201, {**answer, "errors": errors} if errors else answer

    def _track_one(self, user: dict[str, Any]) -> str | None:
        who, change = _user_of(user), user.get(self.attribute)
        if problem := self._refusal(who, user, change):
            return problem
        if not self._known([who]):
            if user.get("_update_existing_only") is True:
                return None
            assert self.users is not None
            self.users.add(who)
        values = self.values.setdefault(who, [])
        for value in change.get("add", ()):
            if value not in values:
                values.append(value)
        for value in change.get("remove", ()):
            if value in values:
                values.remove(value)
        if len(values) > MOST_VALUES:
            del values[MOST_VALUES:]
            return "array too long"
        return None

    def _refusal(self, who: str, user: dict[str, Any], change: object) -> str | None:
        if who in self.refused:
            return "user is blocklisted"
        if not isinstance(change, dict) or len(change) != 1:
            return "invalid attribute"
        return _wrong_contact(user)

    def _known(self, people: Iterable[str]) -> set[str]:
        return set(people) if self.users is None else self.users.intersection(people)


class _Server(ThreadingHTTPServer):
    request_queue_size = 128
    """With the usual 5, a connection of many that come at once would wait for a second."""


def _named(change: dict[str, Any]) -> list[str]:
    if set(change) - {"user_ids", "device_ids", "aliases", "should_remove"}:
        raise RefusedError(400, "unknown key in cohort_changes")
    if not isinstance(change.get("should_remove"), bool):
        raise RefusedError(400, "should_remove must be true or false")
    people = [*change.get("user_ids", ()), *change.get("device_ids", ())]
    people += [_alias(alias) for alias in change.get("aliases", ())]
    if not all(isinstance(person, str) and person for person in people):
        raise RefusedError(400, "an id is no text")
    return people


def _alias(alias: dict[str, str]) -> str:
    return f"{alias['alias_label']}/{alias['alias_name']}"


def _user_of(user: dict[str, Any]) -> str:
    """Find whom an object names, as `/users/track` does: by the first of these that it has."""
    if "external_id" in user:
        return str(user["external_id"])
    if "user_alias" in user:
        return _alias(user["user_alias"])
    for name in ("braze_id", "email", "phone"):
        if name in user:
            return str(user[name]).lower()
    raise RefusedError(400, "an object needs external_id, user_alias, braze_id, email or phone")


def _wrong_contact(user: dict[str, Any]) -> str | None:
    if not re.fullmatch(r"[^@\s]+@[^@\s]+\.[a-z]+", user.get("email", "a@b.c")):
        return "The value provided for the 'email' field is invalid."
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", user.get("phone", "+10000000")):
        return "The value provided for the 'phone' field is invalid."
    return None


def _handler(braze: FakeBraze) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            fault, answer = braze.handle(self.path, self.headers.get("Authorization"), raw)
            if fault and fault.status is None:
                self.close_connection = True
                return
            status, body = (fault.status, {"message": "fault"}) if fault else answer
            foreign = fault.content if fault else None
            content = json.dumps(body).encode() if foreign is None else foreign
            self.send_response(status)
            for name, value in fault.headers if fault else braze.limits.headers(self.path):
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def date_time_string(self, timestamp: float | None = None) -> str:
            return super().date_time_string(timestamp or braze.limits.now())

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def rate_limit(requests: int, seconds: float) -> Callable[[Request], Fault | None]:
    """Make a policy that answers 429 with `X-RateLimit-Reset` beyond so many requests a window."""
    window = {"until": 0.0, "count": 0}

    def policy(_: Request) -> Fault | None:
        now = time.time()
        if now >= window["until"]:
            window.update(until=now + seconds, count=0)
        window["count"] += 1
        if window["count"] <= requests:
            return None
        reset = (("X-RateLimit-Remaining", "0"), ("X-RateLimit-Reset", str(window["until"])))
        return Fault(429, headers=reset)

    return policy
