"""Send one request about the people of a list, and store the members that Braze accepted.

`list_delivery` decides which requests there are.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from target_braze_cohorts.braze.outcomes import (
    LOCKED,
    CohortRefusedError,
    EveryMemberRefusedError,
)
from target_braze_cohorts.intake.rejected_members import RefusedMember
from target_braze_cohorts.planning.changes import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze_cohorts.braze.braze_answer import BrazeAnswer
    from target_braze_cohorts.braze.senders import Senders
    from target_braze_cohorts.planning.changes import KnownList
    from target_braze_cohorts.store.membership import MembershipStore

SAMPLES: Final = 4
"""Number of members, spread over a refused page, that are tried alone."""


@dataclass
class MembersChanged:
    """The numbers of people whom Braze added, removed and refused in one list."""

    added: int = 0
    removed: int = 0
    refused: int = 0


@dataclass
class ListChanges:
    """The adds of one list, or its removals.

    Attributes:
        known: The list.
        change: Whether to add or to remove.
        done: The counts of the list.
        someone_staying: See `ListDelivery.send_changes`.
        is_proven: Whether Braze has accepted a person of the list.
        takes_removals: Whether Braze accepts the removal of a user who does not exist. None: not
            asked yet.
        status: The HTTP status of the last refusal.
        waiting: Pages that were refused before a person was accepted.
        is_locked: Whether Braze has answered that the cohort is locked.
        lock: Held for each request once the cohort is locked.
    """

    known: KnownList
    change: Change
    done: MembersChanged
    someone_staying: Callable[[], str | None]
    is_proven: bool = False
    takes_removals: bool | None = None
    status: int = 0
    waiting: list[Page] = field(default_factory=list)
    is_locked: bool = False
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_removal(self) -> bool:
        """Whether people are removed; false if they are added."""
        return self.change is Change.REMOVE

    def prove(self) -> None:
        """Note that Braze takes requests for this list."""
        self.is_proven = True

    def accept(self, people: int) -> None:
        """Count people whom Braze accepted, which is proof too."""
        self.prove()
        if self.is_removal:
            self.done.removed += people
        else:
            self.done.added += people

    def refuse(self) -> None:
        """Count one member whom Braze refused."""
        self.done.refused += 1

    def saw_refusal(self, status: int) -> None:
        """Keep the status of the last refusal, for the error."""
        self.status = status

    def saw_removal(self, *, accepted: bool) -> None:
        """Note whether Braze accepted the removal of a user who does not exist."""
        self.takes_removals = accepted

    def lock_up(self) -> None:
        """Send one request at a time from here on."""
        self.is_locked = True

    def refusal(self) -> CohortRefusedError:
        """Return the error for a list when Braze accepts no person in it."""
        return CohortRefusedError(self._refused_everybody)

    def refusal_of_members(self) -> EveryMemberRefusedError:
        """Return the error for a list whose people Braze all refuses, each of them alone."""
        return EveryMemberRefusedError(self._refused_everybody)

    @property
    def _refused_everybody(self) -> str:
        return f"Braze refused every member (status {self.status})"


@dataclass
class Page:
    """The members of one page while they are sent, in one or more requests.

    Attributes:
        identifiers: All members of the page.
        strangers: Members whom Braze certainly does not hold.
        culprits: Members whom Braze refuses even alone.
    """

    identifiers: list[str]
    strangers: set[str]
    culprits: list[RefusedMember] = field(default_factory=list)

    def doubt(self, identifiers: Sequence[str], answer: BrazeAnswer) -> None:
        """Note that Braze may hold these members although it refused the request.

        That is so if the refused request was a retry: the first attempt had no response, and Braze
        may have applied it.
        """
        if answer.is_retry:
            self.strangers.difference_update(identifiers)

    def samples(self) -> list[str]:
        """Return a few members, spread evenly over the page."""
        step = max(1, len(self.identifiers) // SAMPLES)
        return self.identifiers[::-step][:SAMPLES]


class ChangeRequests:
    """Send requests about people of lists, and write Braze's acknowledgements to the store.

    All its methods run in one thread, the store's; only requests run in others.
    """

    def __init__(
        self,
        senders: Senders,
        store: MembershipStore,
        refused: Callable[[str, RefusedMember], None],
    ) -> None:
        """Connect the parts; nothing is sent yet.

        Args:
            senders: Send the requests.
            store: Known membership.
            refused: Called with the id of the cohort and each member that Braze refused.
        """
        self._senders, self._store, self._refused = senders, store, refused

    async def send(
        self, task: ListChanges, identifiers: Sequence[str], change: Change | None = None
    ) -> BrazeAnswer:
        """Send one request for a list.

        Braze may lock a cohort while it works on a request. From the first 423 on, the list's
        requests go one after the other.

        Args:
            task: The list.
            identifiers: The people.
            change: What to do with them, if it is not what the task does.
        """
        known = task.known
        what = task.change if change is None else change

        def request() -> BrazeAnswer:
            return self._senders.client.change(known.label, what, known.kind, identifiers)

        if not task.is_locked:
            answer = await self._senders.ask(request, once_if_locked=True)
            if answer.status != LOCKED:
                return answer
            task.lock_up()
        async with task.lock:
            return await self._senders.ask(request)

    def acknowledge(
        self, task: ListChanges, identifiers: Sequence[str], answer: BrazeAnswer
    ) -> None:
        """Store a successful answer: the people that Braze accepted, and those that it refused.

        Args:
            task: The list.
            identifiers: The people of the request.
            answer: What Braze said.
        """
        unsure = dict(answer.refused)
        if answer.refused_unnamed is not None or any(i >= len(identifiers) for i in unsure):
            # Braze reports an error without naming the member, so it is not known who was accepted.
            # No member of this request counts as acknowledged.
            reason = answer.refused_unnamed or next(iter(unsure.values()))
            unsure = dict.fromkeys(range(len(identifiers)), reason)
        acknowledged = [who for place, who in enumerate(identifiers) if place not in unsure]
        self._store.acknowledge(task.known, task.change, acknowledged)
        task.accept(len(acknowledged))
        for place, message in unsure.items():
            self._refuse(
                task,
                RefusedMember(
                    identifiers[place], task.is_removal, "refused", message, answer.status
                ),
            )

    def settle(self, task: ListChanges, page: Page) -> None:
        """Set the people of a page aside whom Braze refuses alone."""
        if not task.is_removal:
            # Braze never stored them, so there is nothing to remove later.
            culprits = {culprit.identifier for culprit in page.culprits}
            self._store.set_refused(task.known.id, sorted(culprits & page.strangers))
        for culprit in page.culprits:
            self._refuse(task, culprit)

    def _refuse(self, task: ListChanges, refusal: RefusedMember) -> None:
        task.refuse()
        self._refused(task.known.cohort_id, refusal)
