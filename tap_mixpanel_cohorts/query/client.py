"""Requests to Mixpanel's query API, within its limits: 60 an hour and five at the same time.

Source: Mixpanel's reference of the query API. Whether a page counts as a query is not documented,
so each request does.
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
"""How soon a wait notices a stop."""
_LONGEST_MESSAGE: Final = 200
_EMAIL: Final = re.compile(r"[^\s@\"'<>()]{1,64}@[^\s@\"'<>()]{1,255}")
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
        self._connection = Connection(project)

    @property
    def asked(self) -> int:
        """How many requests were sent."""
        return self._loop.requests

    def hurry(self, *, on: bool) -> None:
        """Wait for nothing, or as long as allowed again: one outage is waited out once."""
        self._patience = 0.0 if on else self._retry_seconds

    def close(self) -> None:
        """Close the connections."""
        self._connection.close()

    def stop(self, message: str) -> None:
        """Ask nothing more, and wait for no answer; a signal handler may call it.

        Args:
            message: Of the `StoppedError` that those who wait raise.
        """
        self._loop.stop(message)
        self._connection.abort()

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

    def _send(self, path: str, fields: Mapping[str, str], patience: Patience) -> QueryAnswer:
        self._spend(patience)
        self._loop.require_going()
        return self._connection.post(path, fields)

    def _raise_lasting(self, status: int, reason: str) -> None:
        """Raise what asking again does not change."""
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
        return (
            f"no answer: {content.decode()}; check the network, a proxy (HTTPS_PROXY), and "
            f"{ADDRESS_SETTINGS}"
        )
    answer = json_object(content)
    words = answer.get("error") or answer.get("message") or ""
    shown = " ".join(words.split()) if isinstance(words, str) else ""
    shown = _EMAIL.sub("(e-mail)", masked(shown))[:_LONGEST_MESSAGE]
    return f"{status}: {shown}" if shown else str(status)
