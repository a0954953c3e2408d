"""Send one request to the query API and return the response. No other module here uses HTTP."""

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
"""The settings that name Mixpanel's address, for messages."""
TIMEOUTS: Final = (10.0, 180.0)
"""The seconds to wait for a connection and for a response: a query can take minutes."""
REST_SECONDS: Final = 60.0
"""The most seconds from the first byte of a response to its last byte."""
MOST_ANSWER_BYTES: Final = 64_000_000
"""The most bytes of a response: enough for 100,000 members with some properties each."""


@dataclass(frozen=True)
class Project:
    """The address and the credentials of a Mixpanel project.

    Attributes:
        url: The base URL.
        credentials: The user name and password of HTTP Basic.
        parameters: The URL parameters of every request: `project_id`, `workspace_id`.
    """

    url: str
    credentials: tuple[str, str]
    parameters: Mapping[str, str]

    @classmethod
    def from_settings(cls, config: Mapping[str, Any]) -> Project:
        """Return the project that the settings describe."""
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
    """A response.

    Attributes:
        status: The HTTP status. 0 if there was no complete response.
        retry_after: The seconds of the header Retry-After. 0 without the header.
        content: The body. For status 0, a description of the failure.
    """

    status: int
    retry_after: float
    content: bytes


class Connection:
    """Send requests. Several threads may use it at the same time, each with its own session."""

    def __init__(self, project: Project, timeouts: tuple[float, float] = TIMEOUTS) -> None:
        """Create a connection. This sends nothing.

        Args:
            project: The address and the credentials.
            timeouts: The seconds to wait for a connection, and for each read of a response.
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
            path: The path below `/api/query/`.
            fields: The form fields.

        Raises:
            SettingsError: The URL can never work, or the response is too large.
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
        """End the requests in flight, so that they fail. A signal handler may call this."""
        for session in list(self._sessions):
            session.abort()

    def close(self) -> None:
        """Close the connections."""
        for session in self._sessions:
            session.close()

    @contextmanager
    def _session(self) -> Iterator[BoundedSession]:
        """Lend a session to one thread at a time. Threads end with each cohort, sessions do not."""
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
