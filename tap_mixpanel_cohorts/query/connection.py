"""One request to the query API and its answer. The only module here that speaks HTTP."""

from __future__ import annotations

import threading
from base64 import b64encode
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import urlencode

import requests

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.http.bounded_session import AnswerTooLargeError, BoundedSession
from braze_mixpanel.http.failures import (
    describe_no_answer,
    raising_permanent_failures,
    require_no_detour,
)
from braze_mixpanel.http.response_headers import retry_after_seconds
from tap_mixpanel_cohorts.settings import HOSTS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

ADDRESS_SETTINGS: Final = "region and api_url"
"""The settings that say where Mixpanel is, for messages."""
TIMEOUTS: Final = (10.0, 180.0)
"""Seconds for a connection and for an answer: the query behind a page can take minutes."""
REST_SECONDS: Final = 60.0
"""From its first byte on, an answer may take so long."""
MOST_ANSWER_BYTES: Final = 64_000_000
"""Of one page: 100,000 members with some properties each."""


@dataclass(frozen=True)
class Project:
    """Where and as whom to ask.

    Attributes:
        url: Base URL.
        credentials: User and password of HTTP Basic.
        parameters: Those of every call: `project_id`, `workspace_id`.
    """

    url: str
    credentials: tuple[str, str]
    parameters: Mapping[str, str]

    @classmethod
    def from_settings(cls, config: Mapping[str, Any]) -> Project:
        """Read the settings."""
        parameters = {
            name: str(config[name]) for name in ("project_id", "workspace_id") if config.get(name)
        }
        credentials = (
            (config["api_secret"], "")
            if config.get("api_secret")
            else (config["service_account_username"], config["service_account_password"])
        )
        url = (config.get("api_url") or HOSTS[config["region"]]).rstrip("/")
        return cls(url, credentials, parameters)


class QueryAnswer(NamedTuple):
    """What came.

    Attributes:
        status: HTTP status; 0 if no whole answer came.
        retry_after: Seconds that Mixpanel asks to wait, 0 if it asks for none.
        content: The body; for status 0, the kind of the failure.
    """

    status: int
    retry_after: float
    content: bytes


class Connection:
    """Sends requests; several threads may do so at once, each over a connection of its own."""

    def __init__(self, project: Project, timeouts: tuple[float, float] = TIMEOUTS) -> None:
        """Prepare; nothing is sent yet.

        Args:
            project: Where and as whom to ask.
            timeouts: Seconds to wait for a connection and for each read of an answer.
        """
        self._project = project
        self._timeouts = timeouts
        basic = b64encode(":".join(project.credentials).encode())
        self._headers: dict[str, str | bytes] = {
            "Accept": "application/json",
            "Authorization": b"Basic " + basic,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        self._sessions: list[BoundedSession] = []
        self._idle: list[BoundedSession] = []
        self._lock = threading.Lock()

    def post(self, path: str, fields: Mapping[str, str]) -> QueryAnswer:
        """Send one request.

        Args:
            path: Below `/api/query/`.
            fields: Sent as a form.

        Raises:
            SettingsError: Nothing at that URL can ever answer, or its answers are too large.
        """
        url = f"{self._project.url}/api/query/{path}"
        body = urlencode(fields).encode()
        try:
            with raising_permanent_failures(url, ADDRESS_SETTINGS), self._session() as session:
                answer = session.post(url, body, dict(self._project.parameters))
        except AnswerTooLargeError as error:
            raise SettingsError(
                f"An answer of Mixpanel is larger than {MOST_ANSWER_BYTES:,} bytes: set a smaller "
                "page_size or fewer profile_properties."
            ) from error
        except requests.RequestException as error:
            return QueryAnswer(0, 0.0, describe_no_answer(error).encode())
        require_no_detour(answer.status, self._project.url, ADDRESS_SETTINGS)
        wait = retry_after_seconds(answer.headers.get("Retry-After"))
        return QueryAnswer(answer.status, wait, answer.content)

    def abort(self) -> None:
        """End the requests that are under way: they fail; a signal handler may call it."""
        for session in list(self._sessions):
            session.abort()

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions:
            session.close()

    @contextmanager
    def _session(self) -> Iterator[BoundedSession]:
        """Lend a session to this thread alone; threads come and go with each cohort."""
        with self._lock:
            session = self._idle.pop() if self._idle else None
        if session is None:
            session = BoundedSession(
                self._timeouts,
                self._headers,
                rest_seconds=REST_SECONDS,
                most_bytes=MOST_ANSWER_BYTES,
            )
            self._sessions.append(session)
        try:
            yield session
        finally:
            with self._lock:
                self._idle.append(session)
