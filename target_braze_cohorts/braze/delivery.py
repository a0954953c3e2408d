"""Sends the changes of each list: requests, halving, acknowledgements."""

from __future__ import annotations

from dataclasses import dataclass, field
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
"""After this many single refusals and no success, one more request shows whether the request
itself is wrong."""


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

        Raises:
            CohortRefusedError: Braze refused every member of a page. The known membership stays.
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
            CohortRefusedError: Braze accepted no member, not even one that it accepted before.
        """
        witness = None if page.accepted else page.someone_staying()
        if witness is not None:
            known = page.known
            answer = self._ask(
                lambda: self._client.change(known.label, page.change, known.kind, [witness])
            )
            page.accepted = answer.accepted
        if not page.accepted:
            status = page.culprits[0].status
            raise CohortRefusedError(f"Braze refused every member (status {status})")

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
    accepted: bool = False
    strangers: set[str] = field(default_factory=set)
    culprits: list[RefusedMember] = field(default_factory=list)
