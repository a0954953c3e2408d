"""Sends one request to Braze and reads its answer. The only module here that uses HTTP."""

from __future__ import annotations

import abc
import threading
import time
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote

import msgspec
import requests

from braze_mixpanel.http.bounded_session import BoundedSession
from braze_mixpanel.http.failures import (
    describe_no_answer,
    is_cut_short,
    raising_permanent_failures,
    require_no_detour,
)
from braze_mixpanel.http.json_body import json_object
from braze_mixpanel.http.rate_limit import RateLimit, read_rate_limit
from braze_mixpanel.http.response_headers import http_date, retry_after_seconds
from braze_mixpanel.settings.redaction import masked
from target_braze_cohorts.intake.identity import cohort_lists, track_identity
from target_braze_cohorts.planning.changes import Change
from target_braze_cohorts.settings.definitions import ATTRIBUTE
from target_braze_cohorts.settings.instances import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

TIMEOUTS: Final = (10.0, 60.0)
"""Seconds for a connection and for an answer."""
MOST_COHORT_IDS: Final = 1000
"""Most ids in one request of the partner cohort import, over all its lists."""
MOST_TRACKED_USERS: Final = 75
"""Most objects in one request of `/users/track`."""
ADDRESS_SETTINGS: Final = "instance or rest_endpoint"
"""The settings that say where Braze is, for messages."""
_FIRST_SUCCESS: Final = 200
_FIRST_REDIRECT: Final = 300
_FIRST_SERVER_ERROR: Final = 500
_TEMPORARY: Final = frozenset({0, 408, 423, 429})
"""No response, a timeout, a locked cohort, too many requests."""
_MOST_SHOWN: Final = 200


class BrazeAnswer(NamedTuple):
    """Braze's answer to one request.

    Attributes:
        status: HTTP status; 0 without a complete response (timeout, broken connection).
        message: Braze's message, or the error of the connection; shortened.
        wait: Seconds that Braze asks to wait; 0 if it does not.
        refused: People whom the answer names as refused: index in the request → reason. Beside a
            success the others are accepted; beside 400 nobody is.
        refused_unnamed: Reason of an error in a successful answer that names no person, or None.
        from_braze: Whether it has the form of Braze's answers; a proxy or another service may
            answer every request with 200.
        rate_limit: The rate limit that it states, or None.
        is_retry: Whether the same request was sent before; then Braze may have applied it already.
    """

    status: int
    message: str = ""
    wait: float = 0.0
    refused: Mapping[int, str] = {}
    refused_unnamed: str | None = None
    from_braze: bool = True
    rate_limit: RateLimit | None = None
    is_retry: bool = False

    @property
    def accepted(self) -> bool:
        """Whether Braze accepted the request."""
        return self.from_braze and self.is_success

    @property
    def is_success(self) -> bool:
        """Whether the status is a success, also if a proxy sent it."""
        return _FIRST_SUCCESS <= self.status < _FIRST_REDIRECT

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in _TEMPORARY or self.status >= _FIRST_SERVER_ERROR


class BrazeClient(abc.ABC):
    """Writes a cohort's members to Braze; each subclass is one way to do so.

    Any number of threads may use it: each has a connection of its own.
    """

    credentials: str
    """The settings that hold the credentials, for messages."""
    most_users: int
    """Most people in one request."""
    names_cohorts: bool
    """Whether Braze stores a name for the label."""

    def __init__(
        self,
        endpoint: str,
        timeouts: tuple[float, float] = TIMEOUTS,
        headers: Mapping[str, bytes] | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare requests; nothing is sent yet.

        Args:
            endpoint: REST endpoint, see `instances.endpoint`.
            timeouts: Seconds to wait for a connection and for an answer.
            headers: More headers of every request.
            now: UNIX seconds.
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
        """Send a request that writes nothing; 401 and 403 mean that the credentials are wrong."""

    @abc.abstractmethod
    def name_cohort(self, label: str, name: str, created_at: str) -> BrazeAnswer:
        """Write a cohort's name: before its first members, and after each change of the name.

        Args:
            label: The cohort's id.
            name: Its name.
            created_at: When it was created, ISO 8601 with time zone.

        Raises:
            NotImplementedError: This client has no names, see `names_cohorts`.
        """

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
        """End the requests that are under way: the loop sees failed connections."""
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
        if response.status < _FIRST_REDIRECT and is_cut_short(response.content):
            return BrazeAnswer(0, f"an answer that was cut short at {self.endpoint}")
        content = json_object(response.content)
        refused, unnamed = _errors(content)
        now = http_date(response.headers.get("Date", "")) or self._now()
        limit = read_rate_limit(response.headers, now)
        return BrazeAnswer(
            response.status,
            masked(str(content.get("message", response.reason)))[:_MOST_SHOWN],
            _wait(response.headers, limit, now),
            refused,
            unnamed,
            from_braze=isinstance(content.get("message"), str),
            rate_limit=limit,
        )


class CohortImport(BrazeClient):
    """The partner cohort import, for customers with a partner key."""

    credentials = "data_import_key and partner_api_key"
    most_users = MOST_COHORT_IDS
    names_cohorts = True

    def __init__(
        self,
        endpoint: str,
        *,
        partner_name: str,
        partner_api_key: str,
        data_import_key: str,
        timeouts: tuple[float, float] = TIMEOUTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare requests.

        Args:
            endpoint: REST endpoint.
            partner_name: The partner's name in Braze's URLs.
            partner_api_key: The partner's key.
            data_import_key: The customer's key, `client_secret` to Braze.
            timeouts: Seconds to wait for a connection and for an answer.
            now: UNIX seconds.
        """
        super().__init__(endpoint, timeouts, now=now)
        self._path = f"/partners/{quote(partner_name, safe='')}/cohorts"
        self._keys = {"partner_api_key": partner_api_key, "client_secret": data_import_key}

    def probe(self) -> BrazeAnswer:
        """Send an empty list of changes for a cohort."""
        body = {**self._keys, "cohort_id": "0", "cohort_changes": []}
        return self._post(f"{self._path}/users", body)

    def name_cohort(self, label: str, name: str, created_at: str) -> BrazeAnswer:
        """Write a cohort's name."""
        body = {**self._keys, "cohort_id": label, "name": name, "created_at": created_at}
        return self._post(self._path, body)

    def change(
        self, label: str, change: Change, kind: str, identifiers: Sequence[str]
    ) -> BrazeAnswer:
        """Add people to a cohort or remove them."""
        people = cohort_lists(kind, identifiers)
        changes = [{**people, "should_remove": change is Change.REMOVE}]
        body = {**self._keys, "cohort_id": label, "cohort_changes": changes}
        return self._post(f"{self._path}/users", body)


class UserAttribute(BrazeClient):
    """An array attribute of users, for customers with a REST API key."""

    credentials = "api_key"
    most_users = MOST_TRACKED_USERS
    names_cohorts = False

    def __init__(
        self,
        endpoint: str,
        *,
        api_key: str,
        attribute_name: str,
        timeouts: tuple[float, float] = TIMEOUTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Prepare requests.

        Args:
            endpoint: REST endpoint.
            api_key: A key with the permission `users.track`.
            attribute_name: The array attribute.
            timeouts: Seconds to wait for a connection and for an answer.
            now: UNIX seconds.
        """
        super().__init__(endpoint, timeouts, {"Authorization": f"Bearer {api_key}".encode()}, now)
        self._attribute = attribute_name

    def probe(self) -> BrazeAnswer:
        """Send an empty list of users: Braze answers 400 if the key is valid."""
        return self._post("/users/track", {"attributes": []})

    def name_cohort(self, label: str, name: str, created_at: str) -> BrazeAnswer:
        """Raise an error: an attribute has values but no names."""
        raise NotImplementedError

    def change(
        self, label: str, change: Change, kind: str, identifiers: Sequence[str]
    ) -> BrazeAnswer:
        """Add the value to people's attribute or remove it; never creates a user."""
        value = {"remove" if change is Change.REMOVE else "add": [label]}
        attributes = [
            {
                **track_identity(kind, identifier),
                "_update_existing_only": True,
                self._attribute: value,
            }
            for identifier in identifiers
        ]
        return self._post("/users/track", {"attributes": attributes})


def make_client(
    config: Mapping[str, Any], timeouts: tuple[float, float], now: Callable[[], float] = time.time
) -> BrazeClient:
    """Create the client for the setting `delivery`.

    Args:
        config: The target's settings.
        timeouts: Seconds to wait for a connection and for an answer.
        now: UNIX seconds.

    Raises:
        SettingsError: They name no usable endpoint.
    """
    url = endpoint(config.get("instance"), config.get("rest_endpoint"))
    if config["delivery"] == ATTRIBUTE:
        return UserAttribute(
            url,
            api_key=config.get("api_key", ""),
            attribute_name=config["attribute_name"],
            timeouts=timeouts,
            now=now,
        )
    return CohortImport(
        url,
        partner_name=config["partner_name"],
        partner_api_key=config.get("partner_api_key", ""),
        data_import_key=config.get("data_import_key", ""),
        timeouts=timeouts,
        now=now,
    )


def _wait(headers: Mapping[str, str], limit: RateLimit | None, now: float) -> float:
    """Read `Retry-After`, or when the rate limit starts again where no requests are left."""
    wait = retry_after_seconds(headers.get("Retry-After"), now)
    if wait or limit is None or limit.remaining > 0:
        return wait
    return limit.seconds


def _errors(content: Mapping[str, Any]) -> tuple[dict[int, str], str | None]:
    """Read the errors in an answer of `/users/track`: people whom it refuses."""
    named: dict[int, str] = {}
    unnamed = None
    errors = content.get("errors")
    for error in errors if isinstance(errors, list) else []:
        index = error.get("index") if isinstance(error, dict) else None
        words = str(error.get("type") if isinstance(error, dict) else error)
        reason = masked(words)[:_MOST_SHOWN]
        if isinstance(index, int) and not isinstance(index, bool) and index >= 0:
            named[index] = reason
        else:
            unnamed = reason
    return named, unnamed
