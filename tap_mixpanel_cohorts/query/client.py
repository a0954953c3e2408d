"""Send requests to Mixpanel's query API, within its limits: 60 an hour and five at the same time.

Source: Mixpanel's reference of the query API. It does not say whether each page counts as a query,
so every request is counted.
"""

from __future__ import annotations

import logging
import re
import threading
import time
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.http.failures import credentials_refused
from braze_mixpanel.http.json_body import json_object
from braze_mixpanel.http.retry_waits import retry_waits
from braze_mixpanel.http.send_loop import Patience, SendLoop, TryAgain
from braze_mixpanel.settings.redaction import masked
from braze_mixpanel.settings.shared import API_SECRETS_END_ON
from tap_mixpanel_cohorts.query.connection import ADDRESS_SETTINGS, Connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from tap_mixpanel_cohorts.query.budget import Budget
    from tap_mixpanel_cohorts.query.connection import Project, QueryAnswer

AT_A_TIME: Final = 5
_STEP_SECONDS: Final = 0.25
"""How often a waiting thread checks whether the run was stopped."""
_LONGEST_MESSAGE: Final = 200
_EMAIL: Final = re.compile(r"[^\s@\"'<>()]{1,64}@[^\s@\"'<>()]{1,255}")
_log = logging.getLogger("tap-mixpanel-cohorts")


class RefusedError(Exception):
    """Mixpanel rejects the content of a request. The message is Mixpanel's."""

    def __init__(self, status: int, message: str) -> None:
        """Keep the status and the message of the response."""
        super().__init__(message)
        self.status = status


class UnansweredError(TemporaryError):
    """There was no answer within `retry_seconds`."""


class LimitedError(UnansweredError):
    """Mixpanel's rate limit or the query budget allows no query within `retry_seconds`."""


class QueryClient:
    """Send queries. Several threads may use it at the same time."""

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
        """Create a client. This sends nothing.

        Args:
            project: The address and the credentials.
            budget: The query budget.
            retry_seconds: How many seconds one query may wait and be retried.
            clock: Returns UNIX seconds, for the budget.
            sleep: Waits for a number of seconds.
            waits: Returns the seconds before each retry, for responses without Retry-After.
        """
        self.budget = budget
        self.now = clock
        self._project = project
        self._retry_seconds = self._patience = retry_seconds
        self._sleep = sleep
        self._lock = threading.Lock()
        self._loop = SendLoop("Mixpanel", logger=_log, waits=waits, sleep=sleep)
        self._connection = Connection(project)

    @property
    def asked(self) -> int:
        """The number of requests that were sent."""
        return self._loop.requests

    def hurry(self, *, on: bool) -> None:
        """Turn waiting off or on. After an outage, the next cohorts do not wait `retry_seconds`."""
        self._patience = 0.0 if on else self._retry_seconds

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def stop(self, message: str) -> None:
        """Send nothing more, and end the requests in flight. A signal handler may call this.

        Args:
            message: The message of the `StoppedError` that waiting threads raise.
        """
        self._loop.stop(message)
        self._connection.abort()

    def fits(self, queries: int) -> bool:
        """Return whether this number of queries can be sent within `retry_seconds`."""
        with self._lock:
            return self.budget.seconds_until(queries, self.now()) <= self._retry_seconds

    def ask(self, path: str, fields: Mapping[str, str], *, tries: int | None = None) -> bytes:
        """Send a query, and retry it while that may help.

        Args:
            path: The path below `/api/query/`.
            fields: The form fields.
            tries: The most failures (without rate limits) before giving up. None: until
                `retry_seconds` are over.

        Returns:
            The body of the response.

        Raises:
            RefusedError: Mixpanel rejects the query.
            SettingsError: Mixpanel rejects the credentials, or the URL is wrong.
            UnansweredError: There was no answer in time.
            StoppedError: The run was stopped by a signal.
        """
        patience = Patience(self._patience, "retry_seconds")
        failures = 0

        def judge(answer: QueryAnswer) -> TryAgain | None:
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
        except TemporaryError as error:  # the shared pause after another thread's 429 is too long
            raise LimitedError(str(error)) from error

    def _spend(self, patience: Patience) -> None:
        """Wait until the budget allows a query, and count it."""
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
                    f"{reason}: the next query is possible in {seconds:.0f} s, longer than "
                    f"{patience.limit} allows. Run again later, or read fewer cohorts."
                )
            if not is_logged:
                _log.warning("%s: waiting %.0f s before the next query.", reason, seconds)
                is_logged = True
            self._loop.require_going()
            self._sleep(min(seconds, _STEP_SECONDS))

    def _send(self, path: str, fields: Mapping[str, str], patience: Patience) -> QueryAnswer:
        self._spend(patience)
        self._loop.require_going()
        return self._connection.post(path, fields)

    def _raise_lasting(self, status: int, reason: str) -> None:
        """Raise an error if a retry cannot help."""
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            is_secret = self._project.credentials[1] == ""
            raise credentials_refused(
                "Mixpanel",
                reason,
                credentials=f"api_secret (switched off on {API_SECRETS_END_ON})"
                if is_secret
                else "the service account, its role in the project and project_id",
                address="region",
            )
        if status == HTTPStatus.PAYMENT_REQUIRED:
            raise SettingsError(
                f"The plan of this Mixpanel project does not include the query API ({reason}): let "
                "Mixpanel push its cohorts to mixpanel-cohort-inbox, or change the plan."
            )
        is_final = HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.INTERNAL_SERVER_ERROR
        if is_final and status != HTTPStatus.REQUEST_TIMEOUT:
            raise RefusedError(status, reason)


def _give_up(kind: type[UnansweredError], reason: str, how_long: str) -> UnansweredError:
    return kind(f"Mixpanel {reason} {how_long}. Run again later.")


def _message(status: int, content: bytes) -> str:
    """Return the status and Mixpanel's message, shortened and without e-mail addresses."""
    if status == 0:
        return (
            f"no answer: {content.decode()}; check the network, a proxy (HTTPS_PROXY), and "
            f"{ADDRESS_SETTINGS}"
        )
    answer = json_object(content)
    words = answer.get("error") or answer.get("message") or ""
    shown = " ".join(words.split()) if isinstance(words, str) else ""
    shown = _EMAIL.sub("(e-mail)", masked(shown))[:_LONGEST_MESSAGE]
    return f"{status}: {shown}" if shown else str(status)
