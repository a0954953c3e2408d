"""Send one request to Braze and return the response. No other module here uses HTTP."""

from __future__ import annotations

import abc
import threading
import time
from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
import requests

from braze_mixpanel.http.bounded_session import BoundedSession
from braze_mixpanel.http.failures import (
    describe_no_answer,
    is_cut_short,
    raising_permanent_failures,
    require_no_detour,
)
from target_braze_cohorts.braze.braze_answer import FIRST_REDIRECT, BrazeAnswer, read_answer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from target_braze_cohorts.planning.changes import Change

TIMEOUTS: Final = (10.0, 60.0)
"""Seconds for a connection and for an answer."""
ADDRESS_SETTINGS: Final = "instance or rest_endpoint"
"""The settings that say where Braze is, for messages."""


class CohortNames(Protocol):
    """Write the names of cohorts, for a delivery whose lists have names."""

    def name_cohort(self, label: str, name: str, created_at: str) -> BrazeAnswer:
        """Write a cohort's name: before its first members, and after each change of the name.

        Args:
            label: The cohort's id.
            name: Its name.
            created_at: When it was created, ISO 8601 with time zone.
        """


class BrazeClient(abc.ABC):
    """Write the members of cohorts to Braze. Each subclass uses one API of Braze.

    Threads can share a client; each thread has its own connection.
    """

    credentials: str
    """The settings that hold the credentials, for messages."""
    most_users: int
    """The most people in one request."""

    def __init__(
        self,
        endpoint: str,
        timeouts: tuple[float, float] = TIMEOUTS,
        headers: Mapping[str, bytes] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Create a client. This sends nothing.

        Args:
            endpoint: The REST endpoint, see `instances.endpoint`.
            timeouts: The seconds to wait for a connection, and for a response.
            headers: Additional headers of every request.
            now: Returns UNIX seconds.
        """
        self._now = now
        self.endpoint = endpoint
        self._timeouts = timeouts
        self._headers: dict[str, str | bytes] = {
            "Content-Type": "application/json",
            **(headers or {}),
        }
        self._of_thread = threading.local()
        self._sessions: list[BoundedSession] = []

    @abc.abstractmethod
    def probe(self) -> BrazeAnswer:
        """Send a request that writes nothing, and return the response.

        401 and 403 mean that the credentials are wrong.
        """

    @property
    def cohort_names(self) -> CohortNames | None:
        """Return the writer of cohort names; None for a delivery whose lists have no names."""
        return None

    @abc.abstractmethod
    def change(
        self, label: str, change: Change, kind: str, identifiers: Sequence[str]
    ) -> BrazeAnswer:
        """Add people to a list or remove them.

        Args:
            label: The name of the list in Braze: a cohort's id, or the attribute's value.
            change: Whether to add or to remove.
            kind: The kind of the identifiers.
            identifiers: At most `most_users`.
        """

    def abort(self) -> None:
        """End the requests in flight. They fail as broken connections."""
        for session in list(self._sessions):
            session.abort()

    def close(self) -> None:
        """Close the connections."""
        for session in list(self._sessions):
            session.close()

    def _session(self) -> BoundedSession:
        session: BoundedSession | None = getattr(self._of_thread, "session", None)
        if session is None:
            session = self._of_thread.session = BoundedSession(self._timeouts, self._headers)
            self._sessions.append(session)
        return session

    def _post(self, path: str, body: Mapping[str, Any]) -> BrazeAnswer:
        """Send one request.

        Raises:
            SettingsError: The URL or its certificate is wrong.
        """
        data = msgspec.json.encode(body)
        try:
            with raising_permanent_failures(self.endpoint, ADDRESS_SETTINGS):
                response = self._session().post(f"{self.endpoint}{path}", data)
        except requests.RequestException as error:
            return BrazeAnswer(0, f"{describe_no_answer(error)} at {self.endpoint}")
        require_no_detour(response.status, self.endpoint, ADDRESS_SETTINGS)
        if response.status < FIRST_REDIRECT and is_cut_short(response.content):
            return BrazeAnswer(0, f"an answer that was cut short at {self.endpoint}")
        return read_answer(response, self._now())
