"""Sends the changes of each list: requests, halving, acknowledgements."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from braze_mixpanel.http.credentials_check import probe_before_run
from braze_mixpanel.http.send_loop import Patience
from target_braze_cohorts.braze.outcomes import (
    CohortRefusedError,
    describe,
    judge,
    require_braze,
)
from target_braze_cohorts.planning.changes import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from braze_mixpanel.http.send_loop import SendLoop, TryAgain
    from target_braze_cohorts.braze.client import BrazeAnswer, BrazeClient
    from target_braze_cohorts.planning.changes import KnownList
    from target_braze_cohorts.store.membership import MembershipStore

MOST_CULPRITS: Final = 20
"""After so many refused alone and nobody accepted, a few more requests show what is at fault."""
SAMPLES: Final = 4
"""So many members, spread over a page, are then tried alone."""


class RefusedMember(NamedTuple):
    """A member that Braze refused.

    Attributes:
        identifier: The member.
        change: Whether the request added or removed the member.
        reason: Short name of the cause.
        message: Braze's message.
        status: The HTTP status of its answer.
    """

    identifier: str
    change: Change
    reason: str
    message: str
    status: int


@dataclass
class MembersChanged:
    """How many people Braze added, removed and refused in one list."""

    added: int = 0
    removed: int = 0
    refused: int = 0


class ListDelivery:
    """Sends the changes of lists to Braze and writes its acknowledgements to the store."""

    def __init__(
        self,
        client: BrazeClient,
        loop: SendLoop,
        store: MembershipStore,
        refused: Callable[[KnownList, RefusedMember], None],
        *,
        retry_seconds: float,
    ) -> None:
        """Connect the parts; nothing is sent yet.

        Args:
            client: Makes the requests.
            loop: Sends them.
            store: Known membership.
            refused: Called with each list and member that Braze refused.
            retry_seconds: How long one request is retried after its first failure.
        """
        self._client = client
        self._loop = loop
        self._store = store
        self._refused = refused
        self._retry_seconds = retry_seconds

    def check_credentials(self) -> None:
        """Send a request that writes nothing.

        Raises:
            SettingsError: Braze refuses the credentials, or the address is wrong.
            TemporaryError: Braze did not answer for a minute.
        """
        answer = probe_before_run(self._loop, self._client.probe, self._judge, self._retry_seconds)
        self._loop.pause(answer.wait)
        require_braze(answer)

    def _judge(self, answer: BrazeAnswer) -> TryAgain | None:
        return judge(answer, self._client)

    def _ask(self, request: Callable[[], BrazeAnswer]) -> BrazeAnswer:
        """Send a request until it has a final answer.

        Args:
            request: Sends it once.

        Returns:
            The final answer: accepted, or one of `HALVED`.

        Raises:
            SettingsError: The credentials or the address are wrong.
            TemporaryError: Braze did not answer for `retry_seconds`.
            CohortLockedError: The cohort stayed locked for `retry_seconds`.
            StoppedError: A signal stopped the run.
        """
        patience = Patience(self._retry_seconds, "retry_seconds")
        answer = self._loop.send(request, judge=self._judge, patience=patience)
        self._loop.pause(answer.wait)
        return answer

    def send_name(self, known: KnownList, name: str, created_at: str) -> None:
        """Write a cohort's name.

        Raises:
            CohortRefusedError: Braze refuses the name.
        """
        self._store.begin_rename(known.id)
        answer = self._ask(lambda: self._client.name_cohort(known.label, name, created_at))
        if not answer.accepted:
            raise CohortRefusedError(f"Braze refused the cohort ({describe(answer)})")
        self._store.set_name(known.id, name)

    def send_changes(
        self,
        known: KnownList,
        change: Change,
        pages: Iterable[list[str]],
        done: MembersChanged,
        *,
        someone_staying: Callable[[], str | None] = lambda: None,
    ) -> None:
        """Add people to a list or remove them.

        Args:
            known: The list.
            change: Whether to add or to remove.
            pages: Lists of identifiers, each at most as long as one request allows.
            done: Counts the changes; each answer adds to it.
            someone_staying: Returns a member that Braze accepted before, who may be added again. A
                request for this member shows whether Braze refuses the request or its members.

        A page that Braze refuses completely says nothing about its members: the request itself may
        be at fault. Such a page waits until Braze accepts somebody of a later one; from then on
        a member who is refused alone is the cause, and is set aside.

        Raises:
            CohortRefusedError: Braze takes nobody at all. What it holds stays known.
        """
        is_proven, waiting, status = False, list[list[str]](), 0
        for identifiers in pages:
            page = _Page(known, change, done, someone_staying, identifiers, accepted=is_proven)
            page.strangers = self._store.strangers(known.id, identifiers)
            self._store.intend(known.id, change, identifiers)
            try:
                self._send(page, identifiers)
                if len(identifiers) > 1:
                    self._require_good_request(page)
            except _UnprovenError as error:
                waiting.append(identifiers)
                status = error.status
                continue
            self._settle(page)
            is_proven = page.accepted
            while is_proven and waiting:
                self._send_again(page, waiting.pop())
        if waiting:
            raise CohortRefusedError(f"Braze refused every member (status {status})")

    def _send_again(self, proven: _Page, identifiers: list[str]) -> None:
        """Send a page that waited, now that Braze has accepted a request like it."""
        page = replace(
            proven,
            identifiers=identifiers,
            strangers=self._store.strangers(proven.known.id, identifiers),
            culprits=[],
        )
        self._send(page, identifiers)
        self._settle(page)

    def _send(self, page: _Page, identifiers: Sequence[str]) -> None:
        known, change = page.known, page.change
        answer = self._ask(
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
                RefusedMember(identifiers[0], change, "refused_alone", message, answer.status)
            )
            if len(page.culprits) >= MOST_CULPRITS:
                self._require_good_request(page)

    def _require_good_request(self, page: _Page) -> None:
        """Check whether Braze refuses these members only, or every request.

        Raises:
            _UnprovenError: It accepted nobody, not even a member whom it took before.
        """
        if page.accepted:
            return
        witness = page.someone_staying()
        page.accepted = (witness is not None and self._takes(page, witness)) or any(
            self._takes(page, sample) for sample in page.samples()
        )
        if not page.accepted:
            raise _UnprovenError(page.culprits[0].status)

    def _takes(self, page: _Page, identifier: str) -> bool:
        """Ask Braze with one member alone; the outcome counts when the whole page is sent."""
        known = page.known
        return self._ask(
            lambda: self._client.change(known.label, page.change, known.kind, [identifier])
        ).accepted

    def _acknowledge(self, page: _Page, identifiers: Sequence[str], answer: BrazeAnswer) -> None:
        unsure = dict(answer.refused)
        if answer.refused_unnamed is not None or any(i >= len(identifiers) for i in unsure):
            # Braze does not name the member, so no member of this request counts as acknowledged.
            reason = answer.refused_unnamed or next(iter(unsure.values()))
            unsure = dict.fromkeys(range(len(identifiers)), reason)
        acknowledged = [who for place, who in enumerate(identifiers) if place not in unsure]
        page.accepted = True
        self._store.acknowledge(page.known, page.change, acknowledged)
        if page.change is Change.ADD:
            page.done.added += len(acknowledged)
        else:
            page.done.removed += len(acknowledged)
        for place, message in unsure.items():
            self._refuse(
                page,
                RefusedMember(identifiers[place], page.change, "refused", message, answer.status),
            )

    def _settle(self, page: _Page) -> None:
        if page.change is Change.ADD:
            # Braze never stored them, so there is nothing to remove later.
            culprits = {culprit.identifier for culprit in page.culprits}
            self._store.set_refused(page.known.id, sorted(culprits & page.strangers))
        for culprit in page.culprits:
            self._refuse(page, culprit)

    def _refuse(self, page: _Page, refusal: RefusedMember) -> None:
        page.done.refused += 1
        self._refused(page.known, refusal)


@dataclass
class _Page:
    """The members of one page while they are sent, in one or more requests."""

    known: KnownList
    change: Change
    done: MembersChanged
    someone_staying: Callable[[], str | None]
    identifiers: Sequence[str]
    accepted: bool = False
    strangers: set[str] = field(default_factory=set)
    culprits: list[RefusedMember] = field(default_factory=list)

    def samples(self) -> list[str]:
        """Choose a few members, spread evenly, of those whom Braze has not refused alone."""
        refused = {culprit.identifier for culprit in self.culprits}
        left = [identifier for identifier in self.identifiers if identifier not in refused]
        step = max(1, len(left) // SAMPLES)
        return left[::-step][:SAMPLES]


class _UnprovenError(Exception):
    """Braze accepted nobody of a page, so the request itself may be at fault."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status
