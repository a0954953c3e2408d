"""Send one request to Mixpanel and return the response. No other module here uses HTTP."""

from __future__ import annotations

import threading
from base64 import b64encode
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.http.bounded_session import BoundedSession
from braze_mixpanel.http.failures import (
    describe_no_answer,
    is_cut_short,
    raising_permanent_failures,
    require_no_detour,
)
from braze_mixpanel.http.json_body import json_object
from braze_mixpanel.http.response_headers import http_date, retry_after_seconds
from braze_mixpanel.http.safe_url import is_safe_url
from target_mixpanel.sending.credentials import choose_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_mixpanel.sending.credentials import Credentials

REGIONS: Final[Mapping[str, str]] = {
    "us": "https://api.mixpanel.com",
    "eu": "https://api-eu.mixpanel.com",
    "in": "https://api-in.mixpanel.com",
}
TIMEOUTS: Final = (10.0, 90.0)
"""Seconds for a connection and for an answer."""
ADDRESS_SETTINGS: Final = "region or api_url"
"""The settings that say where Mixpanel is, for messages."""
INTEGRATION_ID: Final = "braze-mixpanel"
"""Value of the header `X-Mixpanel-Integration-ID`, by which Mixpanel knows its callers."""


class MixpanelAnswer(NamedTuple):
    """Mixpanel's response to one request.

    Attributes:
        status: The HTTP status. 0 if there was no complete response (time-out, broken connection).
        body: The JSON object of the response. Empty if there is none.
        retry_after: The seconds of the header Retry-After. 0 without the header.
        problem: For status 0, what went wrong with the connection.
        date: Mixpanel's time in UNIX seconds, from the header Date. 0 without the header.
        is_cut: Whether the body ends too early.
    """

    status: int
    body: Mapping[str, Any]
    retry_after: float = 0.0
    problem: str = ""
    date: float = 0.0
    is_cut: bool = False


def base_url(region: str, api_url: str | None) -> str:
    """Return the base URL of Mixpanel's API.

    Args:
        region: A key of `REGIONS`.
        api_url: The URL to use instead, if it is set.

    Raises:
        SettingsError: `api_url` is neither https nor on this machine.
    """
    if not api_url:
        return REGIONS[region]
    if not is_safe_url(api_url):
        raise SettingsError(
            f"api_url {api_url} must begin with https:// (http only for localhost) and hold only a "
            "host and, if needed, a port: events hold personal data."
        )
    return api_url.rstrip("/")


class MixpanelClient:
    """Send requests to `/import`. Threads can share a client; each has its own connection."""

    def __init__(
        self,
        url: str,
        credentials: Credentials,
        *,
        timeouts: tuple[float, float] = TIMEOUTS,
    ) -> None:
        """Create a client. This sends nothing.

        Args:
            url: The base URL, see `base_url`.
            credentials: The credentials, see `choose_credentials`.
            timeouts: The seconds to wait for a connection, and for a response.
        """
        self.url = url
        self._timeouts = timeouts
        self.credentials = credentials
        self._parameters = {"strict": "1"}
        if credentials.project_id:
            self._parameters["project_id"] = credentials.project_id
        self._local = threading.local()
        self._sessions: list[BoundedSession] = []

    def import_events(self, body: bytes) -> MixpanelAnswer:
        """Send events in one request.

        Args:
            body: The body, see `request_body`: at most 2,000 events with at most 10 MB of JSON.

        Returns:
            The response. A failed connection gives a response with status 0.

        Raises:
            SettingsError: The URL can never work, or a server that is not Mixpanel responds.
        """
        try:
            with raising_permanent_failures(self.url, ADDRESS_SETTINGS):
                answer = self._session().post(f"{self.url}/import", body, self._parameters)
        except requests.RequestException as error:
            return MixpanelAnswer(0, {}, problem=describe_no_answer(error))
        require_no_detour(answer.status, self.url, ADDRESS_SETTINGS)
        return MixpanelAnswer(
            answer.status,
            json_object(answer.content),
            retry_after_seconds(answer.headers.get("Retry-After")),
            date=http_date(answer.headers.get("Date", "")),
            is_cut=is_cut_short(answer.content) or not answer.content.strip(),
        )

    def abort(self) -> None:
        """End the requests in flight. A signal handler may call this."""
        for session in tuple(self._sessions):
            session.abort()

    def _session(self) -> BoundedSession:
        session: BoundedSession | None = getattr(self._local, "session", None)
        if session is None:
            user, password = self.credentials.user, self.credentials.password
            basic = b64encode(user.encode() + b":" + password.encode())
            session = self._local.session = BoundedSession(
                self._timeouts,
                {
                    "Accept": "application/json",
                    "Authorization": b"Basic " + basic,
                    "Content-Encoding": "gzip",
                    "Content-Type": "application/json",
                    "X-Mixpanel-Integration-ID": INTEGRATION_ID,
                },
            )
            self._sessions.append(session)
        return session


def make_client(
    config: Mapping[str, Any], timeouts: tuple[float, float] = TIMEOUTS
) -> MixpanelClient:
    """Create the client that the settings describe.

    Args:
        config: The target's settings.
        timeouts: Seconds to wait for a connection and for an answer.

    Raises:
        SettingsError: There are no credentials, or half of some, or the URL is not safe.
    """
    url = base_url(config["region"], config.get("api_url"))
    return MixpanelClient(url, choose_credentials(config), timeouts=timeouts)
