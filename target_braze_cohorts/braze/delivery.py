"""Telling Braze about one list after the other: retries, halving, acknowledgements."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, NamedTuple

from braze_mixpanel.errors import InputError, SettingsError, StoppedError, TemporaryError
from braze_mixpanel.http.retry_waits import retry_waits
from target_braze_cohorts.store.membership import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from target_braze_cohorts.braze.client import Answer, BrazeClient
    from target_braze_cohorts.store.membership import KnownList, MembershipStore

HALVED: Final = frozenset({400, 413})
"""Answers to one person's data, or to too much of it, rather than to the request."""
UNAUTHORIZED: Final = frozenset({401, 403})
LOCKED: Final = 423
MOST_CULPRITS: Final = 20
"""After so many refused alone and nobody accepted it is asked whether the request is at fault."""
_STEP_SECONDS: Final = 0.5
"""How soon a signal is noticed while waiting."""


class CohortRefusedError(InputError):
    """Braze does not take a cohort; the others go on."""


class CohortLockedError(TemporaryError):
    """Something else is at work on a cohort in Braze; the others go on."""


class Refusal(NamedTuple):
    """Somebody whom Braze did not take.

    Attributes:
        identifier: Who.
        change: What was to be done with them.
        reason: Short name of the cause.
        message: What Braze said.
        status: Of its answer.
    """

    identifier: str
    change: Change
    reason: str
    message: str
    status: int


@dataclass
class Done:
    """What came of one list's changes, in people."""

    added: int = 0
    removed: int = 0
    refused: int = 0


class Sender:
    """Sends a request until Braze has answered it for good."""

    def __init__(
        self,
        credentials: str,
        retry_seconds: float,
        *,
        waits: Callable[[], Iterator[float]] = retry_waits,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Start with nothing sent.

        Args:
            credentials: The settings that hold them, for messages.
            retry_seconds: How long one request is tried.
            waits: Makes the waiting times between attempts, in seconds.
            clock: Seconds that only grow.
            sleep: Waits so many seconds.
        """
        self.stopped_by: str | None = None
        """Name of the signal after which nothing more may be sent."""
        self.requests = 0
        self._credentials = credentials
        self._retry_seconds = retry_seconds
        self._waits = waits
        self._clock = clock
        self._sleep = sleep
        self._pause = 0.0

    def send(self, request: Callable[[], Answer]) -> Answer:
        """Send one request.

        Args:
            request: Sends it once.

        Returns:
            An answer to the data: accepted, or one of `HALVED`.

        Raises:
            SettingsError: The credentials or the address are wrong.
            TemporaryError: Braze could not be had for `retry_seconds`, or, as `CohortLockedError`,
                this cohort.
            StoppedError: A signal came.
        """
        deadline = self._clock() + self._retry_seconds
        waits = self._waits()
        while True:
            self._wait_until_free(deadline)
            answer = request()
            self.requests += 1
            self._pause = answer.wait
            if answer.accepted or answer.status in HALVED:
                return answer
            if not answer.passing:
                raise self._refusal(answer)
            self._pause = max(answer.wait, next(waits))
            if self._clock() + self._pause > deadline:
                raise self._trouble(answer)

    def _wait_until_free(self, deadline: float) -> None:
        """Wait as long as the last answer asked for, and no longer than the deadline."""
        until = self._clock() + self._pause
        if self._pause and until > deadline:
            raise TemporaryError(
                f"Braze's rate limit is used up for another {self._pause:.0f} s, more than "
                f"retry_seconds ({self._retry_seconds:g}). Run again later for the rest."
            )
        self._pause = 0.0
        while (left := until - self._clock()) > 0 and self.stopped_by is None:
            self._sleep(min(left, _STEP_SECONDS))
        if self.stopped_by is not None:
            raise StoppedError(
                f"Stopped by {self.stopped_by}: what Braze acknowledged is kept. Run again for "
                "the rest."
            )

    def _trouble(self, answer: Answer) -> TemporaryError:
        if answer.status == LOCKED:
            return CohortLockedError(f"locked in Braze for {self._retry_seconds:g} s")
        if not answer.status:
            return TemporaryError(
                f"Braze cannot be reached ({answer.message}). Check the network, a proxy "
                "(HTTPS_PROXY), and instance or rest_endpoint. What Braze acknowledged is kept: "
                "run again for the rest."
            )
        return TemporaryError(
            f"Braze could not be had for {self._retry_seconds:g} s ({_outcome(answer)}). "
            "What it acknowledged is kept: run again later for the rest."
        )

    def _refusal(self, answer: Answer) -> SettingsError:
        if answer.status < 300:  # noqa: PLR2004 - a success that is none
            return not_braze(answer)
        if answer.status in UNAUTHORIZED:
            return SettingsError(
                f"Braze refused the credentials ({_outcome(answer)}): check {self._credentials}, "
                "and that instance or rest_endpoint is where they were made."
            )
        return SettingsError(
            f"Braze does not know this request ({_outcome(answer)}): check instance or "
            "rest_endpoint, and partner_name."
        )


def probe(request: Callable[[], Answer], sender: Sender) -> None:
    """Send a request that writes nothing.

    Args:
        request: See `BrazeClient.probe`.
        sender: Sends it.

    Raises:
        SettingsError: Braze refuses the credentials or the address, or it is not Braze's.
        TemporaryError: It cannot be had.
    """
    answer = sender.send(request)
    if not answer.from_braze:
        raise not_braze(answer)


def not_braze(answer: Answer) -> SettingsError:
    """Say that somebody else answered."""
    return SettingsError(
        f"The answer (status {answer.status}) is not Braze's: something else is there, or a proxy "
        "answers in its place. Check instance or rest_endpoint, and HTTPS_PROXY."
    )


class Delivery:
    """Takes the changes of lists to Braze and its acknowledgements to the store."""

    def __init__(
        self,
        client: BrazeClient,
        sender: Sender,
        store: MembershipStore,
        refused: Callable[[KnownList, Refusal], None],
    ) -> None:
        """Wire the parts.

        Args:
            client: Makes the requests.
            sender: Sends them.
            store: Known membership.
            refused: Takes those whom Braze did not take.
        """
        self._client = client
        self._sender = sender
        self._store = store
        self._refused = refused

    def check_credentials(self) -> None:
        """Send a request that writes nothing.

        Raises:
            SettingsError: Braze refuses the credentials or the address.
            TemporaryError: It cannot be had.
        """
        probe(self._client.probe, self._sender)

    def send_name(self, known: KnownList, name: str, created_at: str) -> None:
        """Tell a cohort's name.

        Raises:
            CohortRefusedError: Braze does not take it.
        """
        self._store.begin_rename(known.id)
        answer = self._sender.send(lambda: self._client.name_cohort(known.label, name, created_at))
        if not answer.accepted:
            raise CohortRefusedError(f"Braze refused the cohort ({_outcome(answer)})")
        self._store.set_name(known.id, name)

    def send_changes(
        self,
        known: KnownList,
        change: Change,
        pages: Iterable[list[str]],
        done: Done,
        *,
        someone_staying: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Add people to a list or take them out.

        Args:
            known: The list.
            change: Which of the two.
            pages: Identifiers, as many at once as one request may hold.
            done: Is added to while it goes on.
            someone_staying: Gives somebody whom Braze took before and who may be added again, to
                tell a request that it does not like from members that it does not.

        Raises:
            CohortRefusedError: Braze takes nobody of a page. What it holds stays known.
        """
        for identifiers in pages:
            page = _Page(known, change, done, someone_staying)
            page.strangers = self._store.strangers(known.id, identifiers)
            self._store.intend(known.id, change, identifiers)
            self._send(page, identifiers)
            if len(identifiers) > 1:
                self._require_good_request(page)
            self._settle(page)

    def _send(self, page: _Page, identifiers: Sequence[str]) -> None:
        known, change = page.known, page.change
        answer = self._sender.send(
            lambda: self._client.change(known.label, change, known.kind, identifiers)
        )
        if answer.accepted:
            self._acknowledge(page, identifiers, answer)
        elif len(identifiers) > 1:
            middle = len(identifiers) // 2
            self._send(page, identifiers[:middle])
            self._send(page, identifiers[middle:])
        else:
            message = answer.message
            page.culprits.append(
                Refusal(identifiers[0], change, "refused_alone", message, answer.status)
            )
            if len(page.culprits) >= MOST_CULPRITS:
                self._require_good_request(page)

    def _require_good_request(self, page: _Page) -> None:
        """Tell members whom Braze does not like from a request that it would never like."""
        witness = None if page.accepted else page.someone_staying()
        if witness is not None:
            known = page.known
            answer = self._sender.send(
                lambda: self._client.change(known.label, page.change, known.kind, [witness])
            )
            page.accepted = answer.accepted
        if not page.accepted:
            status = page.culprits[0].status
            raise CohortRefusedError(f"Braze refused every member (status {status})")

    def _acknowledge(self, page: _Page, identifiers: Sequence[str], answer: Answer) -> None:
        unsure = dict(answer.refused)
        if answer.refused_unnamed is not None or any(i >= len(identifiers) for i in unsure):
            # Braze does not say whom it means: nobody of this request counts as told.
            reason = answer.refused_unnamed or next(iter(unsure.values()))
            unsure = dict.fromkeys(range(len(identifiers)), reason)
        told = [who for place, who in enumerate(identifiers) if place not in unsure]
        page.accepted = True
        self._store.acknowledge(page.known, page.change, told)
        if page.change is Change.ADD:
            page.done.added += len(told)
        else:
            page.done.removed += len(told)
        for place, message in unsure.items():
            self._refuse(
                page,
                Refusal(identifiers[place], page.change, "refused", message, answer.status),
            )

    def _settle(self, page: _Page) -> None:
        if page.change is Change.ADD:
            # Braze never held them, so there is nothing to take back later.
            culprits = {culprit.identifier for culprit in page.culprits}
            self._store.set_refused(page.known.id, sorted(culprits & page.strangers))
        for culprit in page.culprits:
            self._refuse(page, culprit)

    def _refuse(self, page: _Page, refusal: Refusal) -> None:
        page.done.refused += 1
        self._refused(page.known, refusal)


@dataclass
class _Page:
    """The members of one page on their way, however many requests that takes."""

    known: KnownList
    change: Change
    done: Done
    someone_staying: Callable[[], str | None]
    accepted: bool = False
    strangers: set[str] = field(default_factory=set)
    culprits: list[Refusal] = field(default_factory=list)


def _outcome(answer: Answer) -> str:
    """Describe an answer without its text where that could hold somebody's id."""
    if answer.status in UNAUTHORIZED or not answer.status:
        return f"{answer.status or 'no answer'}: {answer.message}"
    return f"status {answer.status}"
