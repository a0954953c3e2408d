"""Deliver the plan of a run, with cohorts in parallel.

For each cohort the order is:

    name, then adds, then removals, then removals from the lists under former labels

There is one coroutine for each cohort. All coroutines run in the thread of the run, because only
this thread may use the database.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from braze_mixpanel.times import UnreadableTimeError, read_time
from target_braze_cohorts.braze.change_requests import ChangeRequests
from target_braze_cohorts.braze.list_delivery import ListDelivery
from target_braze_cohorts.braze.outcomes import (
    CohortLockedError,
    CohortRefusedError,
    EveryMemberRefusedError,
)
from target_braze_cohorts.braze.side_by_side import SideBySide
from target_braze_cohorts.planning.changes import Change
from target_braze_cohorts.store.staged_changes import emptying_queue

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping, Sequence
    from datetime import datetime

    from target_braze_cohorts.braze.client import CohortNames
    from target_braze_cohorts.braze.senders import Senders
    from target_braze_cohorts.intake.rejected_members import RejectedMembers
    from target_braze_cohorts.planning.changes import KnownList
    from target_braze_cohorts.planning.jobs import Job
    from target_braze_cohorts.run.results import CohortResult
    from target_braze_cohorts.store.run_tables import RunTables


@dataclass
class Step:
    """The work for one cohort.

    Attributes:
        result: The result of the cohort, updated by the step.
        send: Does the work.
        is_needed: Whether the step sends requests. False if it only updates the store.
        is_refused: Whether Braze refused the cohort.
    """

    result: CohortResult
    send: Callable[[], Coroutine[Any, Any, None]]
    is_needed: bool = True
    is_refused: bool = False

    async def run(self) -> None:
        """Send it; what Braze refuses or locks stops this cohort alone."""
        try:
            await self.send()
        except (CohortRefusedError, CohortLockedError) as error:
            self.is_refused = isinstance(error, CohortRefusedError)
            self.result.stop(str(error))


class CohortDelivery:
    """Create the steps of one run, and run them."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        tables: RunTables,
        senders: Senders,
        rejects: RejectedMembers,
        now: datetime,
    ) -> None:
        """Connect the parts. This sends nothing.

        Args:
            config: The settings of the target.
            tables: The changes to send and the known membership.
            senders: Sends the requests.
            rejects: Writes the dead letters.
            now: The time of the run, with a time zone.
        """
        self._config = config
        self._changes, self._store = tables.changes, tables.membership
        self._senders, self._names = senders, senders.client.cohort_names
        self._now = now
        requests = ChangeRequests(senders, tables.membership, rejects.refused)
        self._lists = ListDelivery(senders, tables.membership, requests)

    def update(self, job: Job, result: CohortResult) -> Step:
        """Return the step that sends the changes of one cohort.

        Args:
            job: The plan for the cohort.
            result: The result of the cohort, updated by the step.
        """
        has_work = bool(
            job.counts.to_add or job.counts.to_remove or job.match.former or self._naming(job)
        )
        return Step(result, partial(self._update, job, result), has_work)

    def clear(self, known: KnownList, result: CohortResult) -> Step:
        """Return the step that empties the list of a cohort that is no longer in the source.

        Args:
            known: The list. The removals of its members are already queued.
            result: The result of the cohort, updated by the step.
        """
        return Step(result, partial(self._empty, known, result))

    def deliver(self, steps: Sequence[Step]) -> None:
        """Run all steps. A cohort that Braze refuses or locks does not stop the others.

        Raises:
            ConnectorError: An error of `Senders.ask` that concerns all cohorts. An error that
                concerns one cohort is in the result of its step.
        """
        if any(step.is_needed for step in steps):
            self._senders.check_credentials()
        try:
            asyncio.run(self._deliver(steps))
        finally:
            self._senders.close()

    async def _deliver(self, steps: Sequence[Step]) -> None:
        cohorts = SideBySide(
            asyncio.Semaphore(self._senders.concurrency), lambda _: self._senders.stop()
        )
        for step in steps:
            if not await cohorts.start(step.run):
                break
        await cohorts.join()

    def _naming(self, job: Job) -> CohortNames | None:
        """Return what writes the cohort's name; None if Braze has the name, or keeps none."""
        acknowledged = job.match.known.name if job.match.known else None
        is_due = acknowledged is None or job.match.cohort.name not in {None, acknowledged}
        return self._names if is_due else None

    async def _update(self, job: Job, result: CohortResult) -> None:
        """Send the changes of one cohort: its name, then adds, then removals."""
        match, cohort = job.match, job.match.cohort
        known = self._store.open_list(
            match.label, cohort.id, self._config["identifier"], self._seconds
        )
        if names := self._naming(job):
            await self._lists.send_name(
                names, known, cohort.name or cohort.id, created_at(cohort.created, self._now)
            )
        if known.generation != match.generation:
            self._store.begin_resync(known.id, match.generation, self._seconds)
            known = known._replace(generation=match.generation)
        refusal: EveryMemberRefusedError | None = None
        try:
            await self._send(known, cohort.number, Change.ADD, result)
        except EveryMemberRefusedError as error:
            # Nobody of the list is in the cohort, so the removals would empty it. People who left
            # must not stay because of that, but the guard of empty cohorts counts here too.
            if not job.decision.may_empty:
                raise
            refusal = error
        if job.decision.remove:
            await self._remove(job, known, result)
        if refusal is not None:
            raise refusal
        if job.decision.finishes and not result.done.refused and known.delivered_at is None:
            self._store.set_delivered(known.id, self._seconds)

    async def _remove(self, job: Job, known: KnownList, result: CohortResult) -> None:
        """Send the removals of a cohort, and empty the lists under its former labels.

        If Braze refuses one list, the others are still sent.

        Raises:
            CohortRefusedError: Braze refused a list.
            CohortLockedError: The cohort stayed locked.
        """
        cohort = job.match.cohort
        self._changes.forget_refused(cohort.number, known, by_changes=cohort.by_changes)
        lists = [
            partial(self._send, known, cohort.number, Change.REMOVE, result),
            *(partial(self._empty_former, former, result) for former in job.match.former),
        ]
        failure: CohortRefusedError | CohortLockedError | None = None
        for send in lists:
            try:
                await send()
            except (CohortRefusedError, CohortLockedError) as error:
                failure = failure or error
        if failure is not None:
            raise failure

    async def _send(
        self, known: KnownList, queue: int, change: Change, result: CohortResult
    ) -> None:
        pages = self._changes.pages(queue, change, self._senders.client.most_users)
        if change is Change.REMOVE:
            await self._lists.send_changes(known, change, pages, result.done)
            return
        staying = partial(self._changes.someone_staying, queue, known)
        await self._lists.send_changes(known, change, pages, result.done, someone_staying=staying)

    async def _empty_former(self, known: KnownList, result: CohortResult) -> None:
        self._changes.queue_everybody(known)
        await self._empty(known, result)

    async def _empty(self, known: KnownList, result: CohortResult) -> None:
        """Remove all members from a list, and delete the list when Braze has accepted that."""
        await self._send(known, emptying_queue(known), Change.REMOVE, result)
        if not self._store.count(known.id).held:
            self._store.drop_list(known.id)

    @property
    def _seconds(self) -> int:
        return int(self._now.timestamp())


def created_at(text: str | None, now: datetime) -> str:
    """Return the time at which a cohort was created, in the form that Braze requires.

    Args:
        text: The time as the source writes it, see `braze_mixpanel.times`.
        now: The time to use if `text` cannot be read.

    Returns:
        The time in ISO 8601 with a time zone.
    """
    try:
        return read_time(text).isoformat()
    except UnreadableTimeError:
        return now.isoformat()
