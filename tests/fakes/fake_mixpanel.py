"""A Mixpanel to test against: a real HTTP server that enforces the rules of `/import`.

    with FakeMixpanel(project_token="token") as server:
        ...  # send to server.url
        assert server.count == 3

By hand: `python -m tests.fakes.fake_mixpanel --port 8080`.
"""

from __future__ import annotations

import argparse
import base64
import binascii
import json
import signal
import threading
import time
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from tests.fakes import mixpanel_faults as faults
from tests.fakes.loopback_server import LoopbackServer
from tests.fakes.mixpanel_http import Handler, Refused, Request, Server
from tests.fakes.mixpanel_rules import EPOCH_2010, identity, problem_with, seconds_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from tests.fakes.mixpanel_faults import Fault


class FakeMixpanel(LoopbackServer):
    """One project of a made-up Mixpanel, on a free port of the loopback interface."""

    def __init__(
        self,
        *,
        service_accounts: Mapping[str, str] | None = None,
        project_id: str = "12345",
        project_token: str | None = "project-token",
        api_secret: str | None = "api-secret",
        policy: Sequence[Fault | None] | Callable[[Request], Fault | None] = (),
        now: Callable[[], float] = time.time,
        id_key: str = "$insert_id",
        keep_events: bool = True,
        keep_bodies: bool = False,
        port: int = 0,
    ) -> None:
        """Plan a server; it runs inside `with`.

        Args:
            service_accounts: User → secret; `account` with `account-secret` by default.
            project_id: The only project there is: 403 for another.
            project_token: Accepted as user with an empty password.
            api_secret: The same.
            policy: Faults, see `mixpanel_faults`.
            now: The server's clock, in UNIX seconds.
            id_key: How `failed_records` calls the id: `$insert_id` or `insert_id`.
            keep_events: Whether `events()` can be asked; without it only identities are held.
            keep_bodies: Whether the log keeps the events of each request.
            port: 0 for any free one.
        """
        self.service_accounts = service_accounts or {"account": "account-secret"}
        self.project_id = project_id
        self.project_token = project_token
        self.api_secret = api_secret
        self.policy = policy
        self.now = now
        self.id_key = id_key
        self.keep_events = keep_events
        self.keep_bodies = keep_bodies
        self.requests: list[Request] = []
        self.accepted = 0
        """Events that passed, with resent ones and those that retention removed."""
        self.duplicates = 0
        self.removed_by_retention = 0
        self.connections = 0
        self.in_flight = 0
        self.max_in_flight = 0
        self._held: dict[tuple[str, float, str, str], Any] = {}
        self._arrived = 0
        self._changed = threading.Condition()
        super().__init__(Server(("127.0.0.1", port), Handler, self))

    @property
    def count(self) -> int:
        """How many different events the project holds."""
        return len(self._held)

    def events(self) -> list[dict[str, Any]]:
        """Give the events that the project holds, each once, in the order of arrival."""
        assert self.keep_events, "this server does not keep events"
        with self._changed:
            return list(self._held.values())

    def names(self) -> Counter[str]:
        """Count the events held by their name."""
        with self._changed:
            return Counter(name for name, *_ in self._held)

    def insert_ids(self) -> set[str]:
        """Give the `$insert_id` of all events held."""
        with self._changed:
            return {key[3] for key in self._held}

    def wait_for(self, condition: Callable[[FakeMixpanel], bool], timeout: float = 30) -> None:
        """Wait until something is true of the server, looked at after every request.

        Raises:
            TimeoutError: It did not come true.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self), timeout):
                raise TimeoutError(f"after {timeout} s: {self.summary()}")

    def summary(self) -> dict[str, Any]:
        """Give the server's figures."""
        return {
            "requests": len(self.requests),
            "by_status": dict(Counter(str(request.status) for request in self.requests)),
            "accepted": self.accepted,
            "held": self.count,
            "duplicates": self.duplicates,
            "removed_by_retention": self.removed_by_retention,
            "connections": self.connections,
            "max_in_flight": self.max_in_flight,
        }

    def arrive(self) -> int:
        """Count a request in; gives its number."""
        with self._changed:
            number = self._arrived
            self._arrived += 1
            self.in_flight += 1
            self.max_in_flight = max(self.max_in_flight, self.in_flight)
            self._changed.notify_all()
            return number

    def leave(self, request: Request) -> None:
        """Count a request out and log it."""
        kept = request if self.keep_bodies else replace(request, events=())
        with self._changed:
            self.in_flight -= 1
            self.requests.append(kept)
            self._changed.notify_all()

    def fault_before_reading(self, number: int) -> Fault | None:
        """Look a request up in a policy that is a list."""
        if callable(self.policy):
            return None
        return self.policy[number] if number < len(self.policy) else None

    def fault_for(self, request: Request) -> Fault | None:
        """Ask a policy that is a function."""
        return self.policy(request) if callable(self.policy) else None

    def auth_kind(self, header: str | None) -> str:
        """Say with which credentials a request came."""
        if header is None:
            return "none"
        scheme, _, encoded = header.partition(" ")
        try:
            user, colon, password = base64.b64decode(encoded, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return "wrong"
        if scheme != "Basic" or not colon or not user:
            return "wrong"
        if password:
            return "service_account" if self.service_accounts.get(user) == password else "wrong"
        kinds = {self.project_token: "project_token", self.api_secret: "api_secret"}
        return kinds.get(user, "wrong")

    def check(self, request: Request) -> None:
        """Refuse what is wrong with a request as a whole."""
        if request.path != "/import":
            raise Refused(404, "no such endpoint")
        if request.method != "POST":
            raise Refused(405, "method not allowed")
        if request.auth in {"none", "wrong"}:
            raise Refused(401, "Invalid credentials")
        project = request.query.get("project_id")
        if project is None and request.auth == "service_account":
            raise Refused(400, "project_id is required with a service account")
        if project not in {None, self.project_id}:
            raise Refused(403, "no access to this project")
        if request.query.get("strict") != "1":
            raise Refused(400, "this server answers only strict=1")

    def store(self, events: Sequence[Any], size: int) -> tuple[int, dict[str, Any]]:
        """Import what is valid; gives the status and the body of the answer."""
        failed, valid, now = [], [], self.now()
        for index, event in enumerate(events):
            problem = problem_with(event, now, size)
            if problem is None:
                valid.append(event)
                continue
            properties = event.get("properties") if isinstance(event, dict) else None
            insert_id = properties.get("$insert_id") if isinstance(properties, dict) else None
            entry = {"index": index, self.id_key: insert_id or ""}
            failed.append({**entry, "field": problem[0], "message": problem[1]})
        with self._changed:
            for event in valid:
                self._hold(event)
            self.accepted += len(valid)
        if not failed:
            return 200, {"code": 200, "num_records_imported": len(valid), "status": "OK"}
        return 400, {
            "code": 400,
            "error": "some data points in the request failed validation",
            "failed_records": failed,
            "num_records_imported": len(valid),
            "status": "Bad Request",
        }

    def _hold(self, event: dict[str, Any]) -> None:
        if seconds_of(event["properties"]["time"]) < EPOCH_2010:
            self.removed_by_retention += 1
            return
        key = identity(event)
        if key in self._held:
            self.duplicates += 1
        # Mixpanel keeps the last of equal events.
        self._held[key] = event if self.keep_events else None


def main() -> None:
    """Serve until interrupted, then print what came."""
    parser = argparse.ArgumentParser(prog="python -m tests.fakes.fake_mixpanel")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument(
        "--service-account", default="account:account-secret", metavar="USER:SECRET"
    )
    parser.add_argument("--project-id", default="12345")
    parser.add_argument("--project-token", default="project-token")
    parser.add_argument("--api-secret", default="api-secret")
    parser.add_argument("--fault-share", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--forget", action="store_true", help="keep identities only: less memory")
    args = parser.parse_args()
    user, _, secret = args.service_account.partition(":")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with FakeMixpanel(
        service_accounts={user: secret},
        project_id=args.project_id,
        project_token=args.project_token,
        api_secret=args.api_secret,
        policy=faults.now_and_then(args.fault_share, seed=args.seed),
        keep_events=not args.forget,
        port=args.port,
    ) as server:
        print(server.url, flush=True)  # noqa: T201
        stop.wait()
        print(json.dumps(server.summary()), flush=True)  # noqa: T201


if __name__ == "__main__":
    main()
