"""Requests to Mixpanel's query API, within its limits: 60 an hour and five at the same time.

Source: Mixpanel's reference of the query API. Whether a page counts as a query is not documented,
so each request does.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import requests
from requests.adapters import HTTPAdapter
from requests.auth import HTTPBasicAuth

from braze_mixpanel.errors import SettingsError, StoppedError, TemporaryError
from braze_mixpanel.http.json_body import json_object
from braze_mixpanel.http.retry_waits import SharedPause, retry_after_seconds, retry_waits
from braze_mixpanel.http.unusable_address import lasting_problems
from tap_mixpanel_cohorts.settings import HOSTS, SECRETS_END_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_mixpanel_cohorts.query.budget import Budget

AT_A_TIME: Final = 5
TIMEOUTS: Final = (10.0, 180.0)
MOST_ANSWER_BYTES: Final = 64_000_000
_CHUNK_BYTES: Final = 1 << 16
_LONGEST_MESSAGE: Final = 200
_log = logging.getLogger("tap-mixpanel-cohorts")


class RefusedError(Exception):
    """Mixpanel refuses a request for what it asks; the message is Mixpanel's."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the answer."""
        super().__init__(message)
        self.status = status


class UnansweredError(TemporaryError):
    """No answer within the time that may be waited."""


class LimitedError(UnansweredError):
    """Mixpanel's limit or the own budget allows no query within the time that may be waited."""


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


class Waiting:
    """Waits that a signal ends."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Begin.

        Args:
            clock: UNIX seconds.
        """
        self.now = clock
        self._stopped = threading.Event()

    def stop(self) -> None:
        """End every wait, now and later."""
        self._stopped.set()

    def wait(self, seconds: float) -> None:
        """Wait.

        Raises:
            StoppedError: A signal came.
        """
        if self._stopped.wait(seconds) or self._stopped.is_set():
            raise StoppedError("Stopped by a signal. What is complete was sent; run again.")


class QueryClient:
    """Asks; several threads may do so at once."""

    def __init__(
        self,
        project: Project,
        budget: Budget,
        *,
        retry_seconds: float,
        waiting: Waiting,
        waits: Callable[[], Iterator[float]] = retry_waits,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            project: Where and as whom to ask.
            budget: What may be asked.
            retry_seconds: How long one request may be waited for.
            waiting: How to wait.
            waits: Seconds before each new attempt where the answer names none.
        """
        self.budget = budget
        self._project = project
        self._retry_seconds = self._patience = retry_seconds
        self._waiting = waiting
        self._waits = waits
        self._pause = SharedPause(waiting.now)
        self._lock = threading.Lock()
        self._session = requests.Session()
        self._session.mount("http://", HTTPAdapter(pool_maxsize=AT_A_TIME))
        self._session.mount("https://", HTTPAdapter(pool_maxsize=AT_A_TIME))

    def hurry(self, *, on: bool) -> None:
        """Wait for nothing, or as long as allowed again: one outage is waited out once."""
        self._patience = 0.0 if on else self._retry_seconds

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def now(self) -> float:
        """Give UNIX seconds."""
        return self._waiting.now()

    def fits(self, queries: int) -> bool:
        """Tell whether so many queries can be asked without waiting longer than allowed."""
        with self._lock:
            return self.budget.seconds_until(queries, self.now()) <= self._retry_seconds

    def ask(self, path: str, fields: Mapping[str, str], *, tries: int | None = None) -> bytes:
        """Ask, and again while that may help.

        Args:
            path: Below `/api/query/`.
            fields: Sent as a form.
            tries: Most failures (not limits) before giving up; None for as long as allowed.

        Returns:
            The body of the answer.

        Raises:
            RefusedError: Mixpanel refuses what is asked.
            SettingsError: It refuses the credentials, or there is nothing at this URL.
            UnansweredError: It did not answer in time.
            StoppedError: A signal came.
        """
        began = self.now()
        waits = self._waits()
        failures = 0
        while True:
            self._wait_for_turn(began)
            status, headers, content = self._send(path, fields)
            if status == 200:  # noqa: PLR2004 - HTTP's
                return content
            message = _message(status, content)
            if status == 429:  # noqa: PLR2004 - HTTP's
                with self._lock:
                    self.budget.give_back()
                asked = retry_after_seconds(headers.get("Retry-After"))
                seconds = max(asked, next(waits))
                reason = f"Mixpanel limits queries ({message})"
            else:
                self._raise_lasting(status, message)
                failures += 1
                if tries is not None and failures >= tries:
                    raise UnansweredError(f"Mixpanel fails ({message}).")
                seconds = next(waits)
                reason = f"Mixpanel fails ({message})"
            if self.now() + seconds > began + self._patience:
                error = LimitedError if status == 429 else UnansweredError  # noqa: PLR2004
                raise error(
                    f"{reason}: the wait of {seconds:.0f} s goes beyond retry_seconds "
                    f"({self._retry_seconds:.0f}). Run again later."
                )
            _log.warning("%s: waiting %.0f s before the next query.", reason, seconds)
            self._pause.extend(seconds)

    def _wait_for_turn(self, began: float) -> None:
        """Wait for the pause of all, and for the budget; then spend a query."""
        while True:
            pause = self._pause.remaining()
            with self._lock:
                now = self.now()
                seconds = max(pause, self.budget.seconds_until(1, now))
                if seconds <= 0:
                    self.budget.spend(now)
                    break
            if not pause:
                self._check_budget_wait(seconds, began)
            self._waiting.wait(seconds)
        self._waiting.wait(0)

    def _check_budget_wait(self, seconds: float, began: float) -> None:
        reason = f"The query budget of {self.budget.limit} an hour is spent"
        if self.now() + seconds > began + self._patience:
            raise LimitedError(
                f"{reason}: the next query may be asked in {seconds:.0f} s, which goes beyond "
                f"retry_seconds ({self._retry_seconds:.0f}). Run again later, or read fewer "
                "cohorts."
            )
        _log.warning("%s: waiting %.0f s before the next query.", reason, seconds)

    def _send(self, path: str, fields: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        """Send one request; 0 as the status if no whole answer came."""
        url = f"{self._project.url}/api/query/{path}"
        try:
            with (
                lasting_problems(url, "region and api_url"),
                self._session.post(
                    url,
                    params=dict(self._project.parameters),
                    data=dict(fields),
                    auth=HTTPBasicAuth(*self._project.credentials),
                    timeout=TIMEOUTS,
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                content = bytearray()
                for chunk in response.iter_content(_CHUNK_BYTES):
                    content += chunk
                    if len(content) > MOST_ANSWER_BYTES:
                        raise SettingsError(
                            f"An answer of Mixpanel is larger than {MOST_ANSWER_BYTES:,} bytes: "
                            "set a smaller page_size or fewer profile_properties."
                        )
                return response.status_code, response.headers, bytes(content)
        except requests.RequestException as error:
            return 0, {}, type(error).__name__.encode()

    def _raise_lasting(self, status: int, message: str) -> None:
        """Raise what asking again does not change."""
        if status in {401, 403}:
            ends = (
                f" Mixpanel switches API secrets off on {SECRETS_END_ON}."
                if self._project.credentials[1] == ""
                else ""
            )
            raise SettingsError(
                f"Mixpanel refuses the credentials ({message}): check the service account, its "
                f"role in the project, project_id and region.{ends}"
            )
        if status == 402:  # noqa: PLR2004 - HTTP's
            raise SettingsError(
                f"The plan of this Mixpanel project has no query API ({message}): let Mixpanel "
                "push its cohorts to mixpanel-cohort-inbox, or change the plan."
            )
        if 300 <= status < 500 and status != 408:  # noqa: PLR2004 - HTTP's
            raise RefusedError(status, message)


def _message(status: int, content: bytes) -> str:
    """Give the status and Mixpanel's words, without what it repeats of the request."""
    if status == 0:
        return f"no answer: {content.decode()}"
    answer = json_object(content)
    words = answer.get("error") or answer.get("message") or ""
    shown = " ".join(words.split())[:_LONGEST_MESSAGE] if isinstance(words, str) else ""
    return f"{status}: {shown}" if shown else str(status)
