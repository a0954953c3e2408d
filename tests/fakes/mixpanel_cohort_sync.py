"""Mixpanel's own cohort sync, simulated: it drives an inbox over HTTP as Mixpanel does.

    sync = CohortSync(url, auth=("user", "password"))
    sync.cohort(1000).people = {"u1": {"$braze_external_id": "b1"}}
    sync.run(1000)

First the snapshot, then the difference since the last good run; at most 1,000 members a call; five
more tries for 429 and 5xx; the snapshot moves on only when every page was answered with success; a
4xx pauses the sync. `faults` decides what becomes of single calls.
"""

from __future__ import annotations

import itertools
import json
import random
import time
from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field
from http.client import HTTPConnection
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGE = 1000
TRIES = 6
PROJECT = 4242
LOST, ANSWER_LOST, TWICE, CUT = "lost", "answer lost", "twice", "cut"
"""Faults: the call does not arrive; it arrives and its answer does not; it arrives twice; its
connection breaks in the middle of the body."""


@dataclass
class SyncedCohort:
    """A cohort in Mixpanel, and what the sync knows of it."""

    id: int
    name: str
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    snapshot: dict[str, dict[str, Any]] | None = None
    is_paused: bool = False


@dataclass
class Call:
    """One page on its way."""

    body: dict[str, Any]

    @property
    def action(self) -> str:
        return self.body["action"]


class CohortSync:
    """The sync of one project."""

    def __init__(
        self,
        url: str,
        *,
        auth: tuple[str, str] | None = None,
        first_action: str = "members",
        ids_as_text: bool = False,
        at_once: int = 1,
        pause: float = 0.0,
        seed: int = 0,
        page_size: int = PAGE,
    ) -> None:
        self.url = url
        self.auth = auth
        self.first_action = first_action
        self.ids_as_text = ids_as_text
        self.at_once = at_once
        self.pause = pause
        self.page_size = page_size
        self.cohorts: dict[int, SyncedCohort] = {}
        self.fault: Callable[[Call, int], str | None] = lambda _call, _try: None
        self.answers: list[tuple[int, dict[str, Any]]] = []
        self._sessions = itertools.count(1)
        self._random = random.Random(seed)
        self._http = requests.Session()
        self._http.mount("http://", HTTPAdapter(pool_maxsize=max(10, at_once)))

    def cohort(self, cohort_id: int, name: str = "") -> SyncedCohort:
        if cohort_id not in self.cohorts:
            self.cohorts[cohort_id] = SyncedCohort(cohort_id, name or f"Cohort {cohort_id}")
        return self.cohorts[cohort_id]

    def lose_snapshot(self, cohort_id: int) -> None:
        """As after three days without success: the next run sends everybody."""
        self.cohort(cohort_id).snapshot = None

    def run(self, cohort_id: int) -> bool:
        """Sync once; whether it succeeded."""
        cohort = self.cohort(cohort_id)
        if cohort.is_paused:
            return False
        people = dict(cohort.people)
        calls = self._calls(cohort, people)
        self._random.shuffle(calls)
        with ThreadPoolExecutor(self.at_once) as pool:
            good = all(list(pool.map(lambda call: self._deliver(cohort, call), calls)))
        if good:
            cohort.snapshot = people
        return good

    def _calls(self, cohort: SyncedCohort, people: Mapping[str, dict[str, Any]]) -> list[Call]:
        session = f"{next(self._sessions)}-{self._random.getrandbits(48):x}"
        if cohort.snapshot is None:
            return self._pages(cohort, session, self.first_action, people)
        before = cohort.snapshot
        entered = {who: profile for who, profile in people.items() if who not in before}
        left = {who: profile for who, profile in before.items() if who not in people}
        calls = self._pages(cohort, session, "add_members", entered)
        return calls + (self._pages(cohort, session, "remove_members", left) if left else [])

    def _pages(
        self,
        cohort: SyncedCohort,
        session: str,
        action: str,
        people: Mapping[str, dict[str, Any]],
    ) -> list[Call]:
        rows = list(people.items())
        size = self.page_size
        parts = [rows[at : at + size] for at in range(0, len(rows), size)] or [[]]
        return [
            Call(self._body(cohort, session, action, part, number, len(parts)))
            for number, part in enumerate(parts, 1)
        ]

    def _body(
        self,
        cohort: SyncedCohort,
        session: str,
        action: str,
        part: list[tuple[str, dict[str, Any]]],
        number: int,
        total: int,
    ) -> dict[str, Any]:
        written = str if self.ids_as_text else int
        return {
            "action": action,
            "parameters": {
                "mixpanel_project_id": written(PROJECT),
                "mixpanel_cohort_id": written(cohort.id),
                "mixpanel_cohort_name": cohort.name,
                "mixpanel_cohort_description": "",
                "mixpanel_session_id": session,
                "page_info": {"total_pages": total, "page_count": number},
                "members": [
                    {
                        "mixpanel_distinct_id": who,
                        "email": f"{who}@marker.example",
                        "first_name": "Marker-First",
                        "last_name": "Marker-Last",
                        "phone_number": "+49-marker",
                        **profile,
                    }
                    for who, profile in part
                ],
            },
        }

    def _deliver(self, cohort: SyncedCohort, call: Call) -> bool:
        for number in range(TRIES):
            status = self._try(call, self.fault(call, number))
            if status == 200:
                return True
            if status in {400, 401, 403, 404}:
                cohort.is_paused = True
                return False
            time.sleep(self.pause)
        return False

    def _try(self, call: Call, fault: str | None) -> int:
        """Send a call; the status of the answer, 0 if none came."""
        if fault == LOST:
            return 0
        if fault == CUT:
            self._send_half(call)
            return 0
        try:
            answer = self._http.post(self.url, json=call.body, auth=self.auth, timeout=60)
            if fault == TWICE:
                answer = self._http.post(self.url, json=call.body, auth=self.auth, timeout=60)
        except requests.RequestException:
            return 0
        self.answers.append((answer.status_code, answer.json()))
        return 0 if fault == ANSWER_LOST else answer.status_code

    def _send_half(self, call: Call) -> None:
        address = urlsplit(self.url)
        content = json.dumps(call.body).encode()
        basic = b64encode(":".join(self.auth or ("", "")).encode()).decode()
        with (
            suppress(OSError),
            closing(HTTPConnection(address.hostname or "", address.port, timeout=9)) as connection,
        ):
            connection.putrequest("POST", "/")
            connection.putheader("Authorization", f"Basic {basic}")
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content[: len(content) // 2])
