"""One run from the end of its input: plan, deliver, report."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import InputError, SettingsError, TemporaryError
from braze_mixpanel.times import UnreadableTimeError, read_time
from target_braze_cohorts.braze.delivery import ListDelivery
from target_braze_cohorts.braze.outcomes import CohortLockedError, CohortRefusedError
from target_braze_cohorts.planning.changes import Change
from target_braze_cohorts.planning.decision import CohortCounts, SyncMode
from target_braze_cohorts.planning.jobs import Planner
from target_braze_cohorts.run.nothing_found import require_something
from target_braze_cohorts.run.results import CohortResult, RunResult
from target_braze_cohorts.store.staging import emptying

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
    from datetime import datetime

    from braze_mixpanel.errors import ConnectorError
    from braze_mixpanel.http.send_loop import SendLoop
    from target_braze_cohorts.braze.client import BrazeClient
    from target_braze_cohorts.intake.cohort_records import Intake
    from target_braze_cohorts.intake.rejected_members import RejectedMembers
    from target_braze_cohorts.planning.changes import KnownList
    from target_braze_cohorts.planning.jobs import Job
    from target_braze_cohorts.store.membership import MembershipStore
    from target_braze_cohorts.store.staging import Staging

_VANISHED = "no longer in the source"
_NO_PROFILES = (
    "external_id_property needs the stream {stream}, and the input has none, so nothing was sent: "
    "meltano select tap-mixpanel {stream} '*'"
)
_INCOMPLETE = (
    "Nothing shows that the lists of members are complete, so nobody was removed: did the tap end "
    "early? Needed is ACTIVATE_VERSION for the members stream, a STATE whose currently_syncing has "
    "moved on, or the right count of the cohort."
)


class Sync:
    """Brings Braze to what the input says, as far as that is safe."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        intake: Intake,
        staging: Staging,
        store: MembershipStore,
        client: BrazeClient,
        loop: SendLoop,
        rejects: RejectedMembers,
        now: datetime,
    ) -> None:
        """Wire the parts.

        Args:
            config: The target's settings.
            intake: The cohorts that came.
            staging: Their members.
            store: Known membership.
            client: Makes the requests.
            loop: Sends them.
            rejects: Takes members who are left out.
            now: The time, with its zone.
        """
        self._config = config
        self._intake = intake
        self._staging = staging
        self._store = store
        self._client = client
        self._loop = loop
        self._rejects = rejects
        self._now = now
        self._started = time.monotonic()
        self._mode = SyncMode(config["sync_mode"])
        self._guarded = False
        self._refused = False
        self._delivery = ListDelivery(
            client, loop, store, rejects.refused, retry_seconds=config["retry_seconds"]
        )
        self.report = RunResult(dry_run=config["dry_run"])

    def run(self, *, cut: bool, streams: Collection[str]) -> None:
        """Plan and deliver.

        Args:
            cut: Whether the input ended in the middle of a line.
            streams: The streams whose SCHEMA came, as the tap calls them.

        Raises:
            InputError: Nothing came.
            SettingsError: Nothing came that the settings name, or profiles are needed and were not
                selected.
            ConnectorError: What `SendLoop.send` raises; see `failure` for single cohorts.
        """
        if not cut:
            require_something(
                self._config, self._intake, streams=streams, known=self._store.lists()
            )
        if self._intake.lacks_profiles:
            if cut:
                return
            raise SettingsError(_NO_PROFILES.format(stream=self._config["profiles_stream"]))
        self._store.require_kind(self._config["identifier"])
        self._staging.settle()
        self._list_without_identifier()
        planner = Planner(
            self._config,
            self._intake,
            self._staging,
            self._store,
            now=self._seconds,
            cut=cut,
        )
        jobs = planner.jobs()
        self.report.cohorts = [job.report for job in jobs]
        self.report.incomplete = planner.is_incomplete(jobs)
        clearing = self._plan_clearing(planner, jobs)
        self._guarded = bool(self.report.stopped)
        self.report.plan_seconds = self.report.seconds = time.monotonic() - self._started
        if self._config["dry_run"]:
            return
        if clearing or any(map(self._has_work, jobs)):
            self._delivery.check_credentials()
        try:
            for job in jobs:
                if job.decision.send:
                    self._attempt(job.report, partial(self._bring, job))
            for known, report in clearing:
                self._attempt(report, partial(self._empty, known, report))
        finally:
            self.report.requests = self._loop.requests
            self.report.seconds = time.monotonic() - self._started

    def failure(self) -> ConnectorError | None:
        """Give what the run must fail with although it went to its end; None if nothing."""
        stopped = self.report.stopped
        incomplete = _INCOMPLETE if self.report.incomplete else ""
        if not stopped:
            return TemporaryError(incomplete) if incomplete else None
        cohorts = ", ".join(f"{cohort.cohort_id} ({cohort.stopped})" for cohort in stopped)
        message = f"Stopped for these cohorts: {cohorts}. The others went on. {incomplete}".strip()
        if self._refused:
            return InputError(message)
        if not self._guarded:
            return TemporaryError(f"{message} Run again later.")
        return SettingsError(f"{message} If the lists are right, allow it in the settings named.")

    @property
    def _seconds(self) -> int:
        return int(self._now.timestamp())

    def _list_without_identifier(self) -> None:
        ids = {cohort.number: cohort.id for cohort in self._intake.cohorts.values()}
        for number, member in self._staging.without_identifier():
            self._rejects.without_identifier(ids[number], member)

    def _plan_clearing(
        self, planner: Planner, jobs: list[Job]
    ) -> list[tuple[KnownList, CohortResult]]:
        """Report the cohorts that the source does not have any more; give those to be emptied."""
        vanished = planner.vanished(jobs)
        # An input without any record is no proof that there is none.
        clear = (
            self._config["clear_vanished_cohorts"]
            and self._mode is SyncMode.DYNAMIC
            and self._intake.has_records
        )
        stopped = planner.vanished_guard(vanished) if clear else None
        reports = [
            self._report_vanished(known, stopped, clear=clear and not stopped) for known in vanished
        ]
        self.report.cohorts += reports
        return list(zip(vanished, reports, strict=True)) if clear and not stopped else []

    def _report_vanished(
        self, known: KnownList, stopped: str | None, *, clear: bool
    ) -> CohortResult:
        held, sure = self._store.count(known.id)
        counts = CohortCounts(known=held, to_remove=self._staging.remove_all(known) if clear else 0)
        note = _VANISHED if clear else f"{_VANISHED}: members kept"
        return CohortResult(
            known.cohort_id,
            known.name or known.label,
            counts,
            sure,
            stopped=stopped,
            note="" if stopped else note,
        )

    def _has_work(self, job: Job) -> bool:
        counts, decision = job.report.counts, job.decision
        return decision.send and bool(
            counts.to_add or counts.to_remove or job.retired or self._needs_name(job)
        )

    def _needs_name(self, job: Job) -> bool:
        if not self._client.names_cohorts:
            return False
        told = job.known.name if job.known else None
        return told is None or job.cohort.name not in {None, told}

    def _attempt(self, report: CohortResult, work: Callable[[], None]) -> None:
        """Do what there is to do for one cohort; the others go on without it."""
        try:
            work()
        except CohortRefusedError as error:
            self._refused = True
            report.stopped = str(error)
        except CohortLockedError as error:
            report.stopped = str(error)

    def _bring(self, job: Job) -> None:
        """Bring one cohort to what is wanted: its name, who entered, who left."""
        cohort, report = job.cohort, job.report
        known = self._store.open_list(
            job.label, cohort.id, self._config["identifier"], self._seconds
        )
        if self._needs_name(job):
            self._delivery.send_name(
                known, cohort.name or cohort.id, created_at(cohort.created, self._now)
            )
        if known.generation != job.generation:
            self._store.begin_resync(known.id, job.generation, self._seconds)
            known = known._replace(generation=job.generation)
        self._send(known, cohort.number, Change.ADD, report)
        if job.decision.remove:
            self._staging.forget_refused(cohort.number, known)
            self._send(known, cohort.number, Change.REMOVE, report)
            for former in job.retired:
                self._staging.remove_all(former)
                self._empty(former, report)
        if job.decision.finishes and not report.done.refused and known.delivered_at is None:
            self._store.set_delivered(known.id, self._seconds)

    def _send(self, known: KnownList, number: int, change: Change, report: CohortResult) -> None:
        pages = self._staging.pages(number, change, self._client.most_users)
        staying = partial(self._staging.someone_staying, number, known)
        witness = {"someone_staying": staying} if change is Change.ADD else {}
        self._delivery.send_changes(known, change, pages, report.done, **witness)

    def _empty(self, known: KnownList, report: CohortResult) -> None:
        """Take everybody out of a list that is not wanted any more, and forget it."""
        self._send(known, emptying(known), Change.REMOVE, report)
        if not any(self._store.count(known.id)):
            self._store.drop_list(known.id)


def created_at(text: str | None, now: datetime) -> str:
    """Write the time at which a cohort was made as Braze wants it.

    Args:
        text: As the source writes it, see `braze_mixpanel.times`.
        now: Used where the source says nothing that can be read.

    Returns:
        ISO 8601 with zone.
    """
    try:
        return read_time(text).isoformat()
    except UnreadableTimeError:
        return now.isoformat()
