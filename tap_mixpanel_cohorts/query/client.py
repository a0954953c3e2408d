"""Requests to Mixpanel's query API, within its limits: 60 an hour and five at the same time.

Source: Mixpanel's reference of the query API. Whether a page counts as a query is not documented,
so each request does.
"""

from __future__ import annotations

import logging
import threading
import time
from base64 import b64encode
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.http.bounded_session import AnswerTooLargeError, BoundedSession
from braze_mixpanel.http.failures import credentials_refused, raising_permanent_failures
from braze_mixpanel.http.json_body import json_object
from braze_mixpanel.http.response_headers import retry_after_seconds
from braze_mixpanel.http.retry_waits import retry_waits
from braze_mixpanel.http.send_loop import Patience, SendLoop, TryAgain
from tap_mixpanel_cohorts.settings import HOSTS, SECRETS_END_ON

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_mixpanel_cohorts.query.budget import Budget

AT_A_TIME: Final = 5
TIMEOUTS: Final = (10.0, 180.0)
MOST_ANSWER_BYTES: Final = 64_000_000
"""Unpacked. A page of 10,000 members with a property each is about 1 MB."""
REST_SECONDS: Final = 60.0
"""From its first byte on, an answer may take so long."""
_STEP_SECONDS: Final = 0.25
"""How soon a wait notices a stop."""
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


class _Answer(NamedTuple):
    """What came: status 0 if no whole answer did."""

    status: int
    retry_after: float
    content: bytes


class QueryClient:
    """Asks; several threads may do so at once."""

    def __init__(
        self,
        project: Project,
        budget: Budget,
        *,
        retry_seconds: float,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
        waits: Callable[[], Iterator[float]] = retry_waits,
    ) -> None:
        """Prepare; nothing is asked yet.

        Args:
            project: Where and as whom to ask.
            budget: What may be asked.
            retry_seconds: How long one request may be waited for.
            clock: UNIX seconds, which the budget counts by.
            sleep: Waits so many seconds.
            waits: Seconds before each new attempt where the answer names none.
        """
        self.budget = budget
        self.now = clock
        self._project = project
        self._retry_seconds = self._patience = retry_seconds
        self._sleep = sleep
        self._lock = threading.Lock()
        self._loop = SendLoop("Mixpanel", logger=_log, waits=waits, sleep=sleep)
        self._sessions: list[BoundedSession] = []
        self._idle: list[BoundedSession] = []
        """Those of them that no thread uses just now."""

    def hurry(self, *, on: bool) -> None:
        """Wait for nothing, or as long as allowed again: one outage is waited out once."""
        self._patience = 0.0 if on else self._retry_seconds

    def close(self) -> None:
        """Close the connections."""
        for session in tuple(self._sessions):
            session.close()

    def stop(self, message: str) -> None:
        """Ask nothing more, and end what is under way; a signal handler may call it.

        Args:
            message: Of the `StoppedError` that those who wait raise.
        """
        self._loop.stop(message)
        for session in tuple(self._sessions):
            session.abort()

    def fits(self, queries: int) -> bool:
        """Return whether so many queries can be asked without waiting longer than allowed."""
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
        patience = Patience(self._patience, "retry_seconds")
        failures = 0

        def judge(answer: _Answer) -> TryAgain | None:
            nonlocal failures
            if answer.status == HTTPStatus.OK:
                return None
            reason = _message(answer.status, answer.content)
            if answer.status == HTTPStatus.TOO_MANY_REQUESTS:
                with self._lock:
                    self.budget.give_back()
                reason = f"limits queries ({reason})"
                return TryAgain(reason, answer.retry_after, partial(_give_up, LimitedError, reason))
            self._raise_lasting(answer.status, reason)
            failures += 1
            if tries is not None and failures >= tries:
                raise UnansweredError(f"Mixpanel fails ({reason}).")
            reason = f"fails ({reason})"
            return TryAgain(reason, answer.retry_after, partial(_give_up, UnansweredError, reason))

        try:
            return self._loop.send(
                partial(self._send, path, fields, patience), judge=judge, patience=patience
            ).content
        except UnansweredError:
            raise
        except TemporaryError as error:  # a pause that another thread was asked for is too long
            raise LimitedError(str(error)) from error

    def _spend(self, patience: Patience) -> None:
        """Count a query, when the budget allows one."""
        is_logged = False
        while True:
            with self._lock:
                now = self.now()
                seconds = self.budget.seconds_until(1, now)
                if seconds <= 0:
                    self.budget.spend(now)
                    return
            reason = f"The query budget of {self.budget.limit} an hour is spent"
            if seconds > patience.seconds:
                raise LimitedError(
                    f"{reason}: the next query may be asked in {seconds:.0f} s, which goes beyond "
                    f"{patience.limit}. Run again later, or read fewer cohorts."
                )
            if not is_logged:
                _log.warning("%s: waiting %.0f s before the next query.", reason, seconds)
                is_logged = True
            self._loop.require_going()
            self._sleep(min(seconds, _STEP_SECONDS))

    def _send(self, path: str, fields: Mapping[str, str], patience: Patience) -> _Answer:
        """Send one request."""
        self._spend(patience)
        url = f"{self._project.url}/api/query/{path}"
        try:
            session = self._idle.pop()
        except IndexError:
            session = self._new_session()
        try:
            with raising_permanent_failures(url, "region and api_url"):
                answer = session.post(url, fields, self._project.parameters)
        except AnswerTooLargeError as error:
            raise SettingsError(
                f"An answer of Mixpanel is larger than {MOST_ANSWER_BYTES:,} bytes: "
                "set a smaller page_size or fewer profile_properties."
            ) from error
        except requests.RequestException as error:
            return _Answer(0, 0.0, type(error).__name__.encode())
        finally:
            self._idle.append(session)
        wait = retry_after_seconds(answer.headers.get("Retry-After"))
        return _Answer(answer.status, wait, answer.content)

    def _new_session(self) -> BoundedSession:
        basic = b64encode(":".join(self._project.credentials).encode())
        session = BoundedSession(
            TIMEOUTS,
            {"Authorization": b"Basic " + basic},
            rest_seconds=REST_SECONDS,
            most_bytes=MOST_ANSWER_BYTES,
        )
        self._sessions.append(session)
        return session

    def _raise_lasting(self, status: int, reason: str) -> None:
        """Raise what asking again does not change."""
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            is_secret = self._project.credentials[1] == ""
            raise credentials_refused(
                "Mixpanel",
                reason,
                credentials=f"api_secret (switched off on {SECRETS_END_ON})"
                if is_secret
                else "the service account, its role in the project and project_id",
                address="region",
            )
        if status == HTTPStatus.PAYMENT_REQUIRED:
            raise SettingsError(
                f"The plan of this Mixpanel project has no query API ({reason}): let Mixpanel "
                "push its cohorts to mixpanel-cohort-inbox, or change the plan."
            )
        is_final = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_final and status != HTTPStatus.REQUEST_TIMEOUT:
            raise RefusedError(status, reason)


def _give_up(kind: type[UnansweredError], reason: str, how_long: str) -> UnansweredError:
    return kind(f"Mixpanel {reason} {how_long}. Run again later.")


def _message(status: int, content: bytes) -> str:
    """Give the status and Mixpanel's words, without what it repeats of the request."""
    if status == 0:
        return f"no answer: {content.decode()}"
    answer = json_object(content)
    words = answer.get("error") or answer.get("message") or ""
    shown = " ".join(words.split())[:_LONGEST_MESSAGE] if isinstance(words, str) else ""
    return f"{status}: {shown}" if shown else str(status)
