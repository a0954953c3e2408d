"""Send the changes of each list in pages: in parallel, with refused people and acknowledgements.

The pages of a list are sent in parallel, except for the first page. The first page shows whether
Braze accepts requests for this list at all. Braze refuses a whole request, also if only one person
in it is wrong. So the meaning of a refused page depends on earlier pages:

    a person of the list was accepted    some people of this page are wrong: halving finds them
    no person was accepted yet           the request itself may be wrong: the page waits

Waiting pages are sent again when Braze has accepted a person of any page. If it never does,
`_find_proof` decides whether the requests or the people are wrong, and only then is the list given
up. So people whom Braze refuses do not keep other people out, and people are not blamed for a wrong
request.
"""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from target_braze_cohorts.braze.change_requests import ListChanges, Page
from target_braze_cohorts.braze.outcomes import CohortLockedError, CohortRefusedError, describe
from target_braze_cohorts.braze.side_by_side import SideBySide
from target_braze_cohorts.intake.identity import nobody
from target_braze_cohorts.intake.rejected_members import RefusedMember
from target_braze_cohorts.planning.changes import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from target_braze_cohorts.braze.braze_answer import BrazeAnswer
    from target_braze_cohorts.braze.change_requests import ChangeRequests, MembersChanged
    from target_braze_cohorts.braze.client import CohortNames
    from target_braze_cohorts.braze.senders import Senders
    from target_braze_cohorts.planning.changes import KnownList
    from target_braze_cohorts.store.membership import MembershipStore

    _Sending: TypeAlias = Callable[[], Coroutine[Any, Any, None]]

MOST_WAITING_PAGES: Final = 1_000
"""A list with so many refused pages and nobody accepted is given up; this bounds the memory."""
MOST_TRIED_ALONE: Final = 5_000
"""Number of members tried alone before a list is given up because Braze accepts none of them."""


class ListDelivery:
    """Send the changes of lists to Braze, and write the acknowledgements to the store.

    All methods run in one thread, because only this thread may use the store. Only the requests run
    in other threads.
    """

    def __init__(self, senders: Senders, store: MembershipStore, requests: ChangeRequests) -> None:
        """Connect the parts; nothing is sent yet.

        Args:
            senders: Send the requests.
            store: Known membership.
            requests: Send one request about people each, with the same senders and store.
        """
        self._senders, self._store, self._requests = senders, store, requests
        # 1.5 pages for each sender: a page is ready while the store works on another one.
        pages = senders.concurrency + senders.concurrency // 2
        self._places = asyncio.Semaphore(pages)

    async def send_name(
        self, names: CohortNames, known: KnownList, name: str, created_at: str
    ) -> None:
        """Write a cohort's name.

        Args:
            names: Writes it.
            known: The cohort's list.
            name: The name.
            created_at: When the cohort was created, ISO 8601 with time zone.

        Raises:
            CohortRefusedError: Braze refuses the name.
        """
        self._store.begin_rename(known.id)
        answer = await self._senders.ask(lambda: names.name_cohort(known.label, name, created_at))
        if not answer.accepted:
            raise CohortRefusedError(f"Braze refused the cohort ({describe(answer)})")
        self._store.set_name(known.id, name)

    async def send_changes(
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
            pages: Lists of identifiers. Each list fits into one request.
            done: The counts of the list, updated with each response.
            someone_staying: Returns a member whom Braze accepted in an earlier run, and who can be
                added again. A request for this member shows whether Braze refuses the request or
                the people in it.

        Raises:
            CohortRefusedError: Braze accepts no person at all. The known membership is kept.
            EveryMemberRefusedError: The same, although Braze takes requests for this list.
            ConnectorError: An error of `Senders.ask`.
        """
        task = ListChanges(known, change, done, someone_staying)
        await self._send_pages(task, (partial(self._begin, task, page) for page in pages))
        if task.waiting and not task.is_proven:
            await self._find_proof(task)
        waiting, task.waiting = task.waiting, []
        await self._send_pages(task, (partial(self._send_page, task, page) for page in waiting))

    async def _send_pages(self, task: ListChanges, pages: Iterable[_Sending]) -> None:
        group = SideBySide(self._places, self._stop_unless_of_one_cohort)
        for number, page in enumerate(pages):
            if not await group.start(page):
                break
            # Wait for the first page alone, see the module's docstring.
            if not number and not task.is_proven:
                await group.join()
        await group.join()

    def _stop_unless_of_one_cohort(self, error: BaseException) -> None:
        if not isinstance(error, CohortRefusedError | CohortLockedError):
            self._senders.stop()

    # One page

    async def _begin(self, task: ListChanges, identifiers: list[str]) -> None:
        """Write the intention to the store, then send a page.

        The order matters: after a crash between the two, the store knows who may be in Braze.
        """
        strangers = self._store.strangers(task.known.id, identifiers)
        self._store.intend(task.known.id, task.change, identifiers)
        await self._send_page(task, Page(identifiers, strangers))

    async def _send_page(self, task: ListChanges, page: Page) -> None:
        """Send a page. It waits if Braze refuses it and has accepted no person of the list yet."""
        identifiers = page.identifiers
        answer = await self._requests.send(task, identifiers)
        if answer.accepted:
            self._requests.acknowledge(task, identifiers, answer)
            return
        page.doubt(identifiers, answer)
        task.saw_refusal(answer.status)
        if len(identifiers) == 1 or task.is_proven or await self._takes_somebody(task, page):
            await self._isolate(task, page, identifiers, answer)
            self._requests.settle(task, page)
            return
        task.waiting.append(page)
        if len(task.waiting) >= MOST_WAITING_PAGES:
            raise task.refusal()

    async def _takes_somebody(self, task: ListChanges, page: Page) -> bool:
        """Return whether Braze accepts a person of a refused page, by sending some of them alone.

        For removals a user who does not exist is sent instead. All members of the page are sent
        again later, also the ones that were accepted here.
        """
        if task.change is Change.REMOVE:
            if await self._takes_removals(task):
                task.prove()
            return task.is_proven
        staying = task.someone_staying()
        for identifier in (*([] if staying is None else [staying]), *page.samples()):
            if task.is_proven:  # another page was accepted meanwhile
                break
            if (await self._requests.send(task, [identifier])).accepted:
                task.prove()
                page.strangers.discard(identifier)
        return task.is_proven

    async def _takes_removals(self, task: ListChanges) -> bool:
        """Return whether Braze accepts the removal of a user who does not exist. Asked once a list.

        Braze ignores unknown users, so this request changes nothing and only shows whether Braze
        accepts requests for this list.
        """
        if task.takes_removals is None:
            answer = await self._requests.send(task, [nobody(task.known.kind)], Change.REMOVE)
            task.saw_removal(accepted=answer.accepted)
        return bool(task.takes_removals)

    async def _isolate(
        self, task: ListChanges, page: Page, identifiers: Sequence[str], answer: BrazeAnswer
    ) -> None:
        """Find the people whom Braze refuses in a refused request, and deliver the others.

        The request is halved until a refused part is a single person.
        """
        page.doubt(identifiers, answer)
        named = answer.refused.keys() >= set(range(len(identifiers)))
        if len(identifiers) == 1 or named:
            # A single person, or a response that names all people: `/users/track` does that if it
            # accepts no person of a request. Then no halving is needed.
            for place, identifier in enumerate(identifiers):
                message = answer.refused.get(place, answer.message)
                page.culprits.append(
                    RefusedMember(
                        identifier, task.is_removal, "refused_alone", message, answer.status
                    )
                )
            return
        middle = len(identifiers) // 2
        await self._side_by_side(
            partial(self._send_part, task, page, part)
            for part in (identifiers[:middle], identifiers[middle:])
        )

    async def _send_part(self, task: ListChanges, page: Page, identifiers: Sequence[str]) -> None:
        answer = await self._requests.send(task, identifiers)
        if answer.accepted:
            self._requests.acknowledge(task, identifiers, answer)
        else:
            await self._isolate(task, page, identifiers, answer)

    async def _find_proof(self, task: ListChanges) -> None:
        """Find out whether the requests are wrong, or all the people who were sent so far.

        If Braze refuses even the removal of a user who does not exist, the requests are wrong.
        Otherwise the people of the waiting pages are sent alone, until Braze accepts one of them.

        Raises:
            CohortRefusedError: Braze accepts no person.
            EveryMemberRefusedError: Each one of them was sent alone.
        """
        if not await self._takes_removals(task):
            raise task.refusal()
        pages, tried = list[Page](), 0
        while task.waiting and not task.is_proven and tried < MOST_TRIED_ALONE:
            page = task.waiting.pop()
            await self._side_by_side(
                partial(self._send_part, task, page, [identifier])
                for identifier in page.identifiers
            )
            pages.append(page)
            tried += len(page.identifiers)
        if not task.is_proven:
            raise task.refusal() if task.waiting else task.refusal_of_members()
        for page in pages:
            self._requests.settle(task, page)

    async def _side_by_side(self, coroutines: Iterable[_Sending]) -> None:
        group = SideBySide(
            asyncio.Semaphore(2 * self._senders.concurrency), self._stop_unless_of_one_cohort
        )
        for coroutine in coroutines:
            await group.start(coroutine)
        await group.join()
