"""Run the target from the end of the input: plan, deliver, and find the error to report.

This is the main module of the target. The order of the steps in `Sync.run`:

    _require_usable_input    check that the input matches the settings
    _plan                    make jobs from staged members and known membership
    _deliver                 make requests from jobs; acknowledgements go to the store
    failure                  the error of a run that has reached its end
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import InputError, SettingsError, TemporaryError
from target_braze_cohorts.planning.changes import Difference, StagedCounts
from target_braze_cohorts.planning.decision import CohortCounts, SyncMode, vanished_guard
from target_braze_cohorts.planning.jobs import Planner, is_incomplete
from target_braze_cohorts.planning.matching import Matcher
from target_braze_cohorts.run.cohort_delivery import CohortDelivery
from target_braze_cohorts.run.nothing_found import missing_cohorts, require_something
from target_braze_cohorts.run.planned_people import changes_of, emptying
from target_braze_cohorts.run.progress_log import Done
from target_braze_cohorts.run.results import CohortResult, RunResult
from target_braze_cohorts.settings.definitions import ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence
    from datetime import datetime

    from braze_mixpanel.errors import ConnectorError
    from target_braze_cohorts.braze.senders import Senders
    from target_braze_cohorts.intake.cohort_records import Intake
    from target_braze_cohorts.intake.completeness import InputEvidence
    from target_braze_cohorts.intake.rejected_members import RejectedMembers
    from target_braze_cohorts.planning.changes import KnownList, ListSize
    from target_braze_cohorts.planning.jobs import Job
    from target_braze_cohorts.planning.matching import Match
    from target_braze_cohorts.run.cohort_delivery import Step
    from target_braze_cohorts.run.planned_people import PlannedChange, PlannedPeople
    from target_braze_cohorts.store.run_tables import RunTables

_VANISHED = "no longer in the source"
_NO_PROFILES = (
    "No member has the property {property} (external_id_property), and there is no stream {stream} "
    "to look it up in, so nothing was sent. Add it to profile_properties of tap-mixpanel-cohorts; "
    "for the public tap-mixpanel: meltano select tap-mixpanel {stream} '*'"
)
_INCOMPLETE = (
    "There is no proof that the lists of members are complete, so nobody was removed. Did the tap "
    "end early? A proof is ACTIVATE_VERSION for the members stream, a STATE whose "
    "currently_syncing has moved on, or the right count of the cohort."
)
_SET_ASIDE = (
    "{count} of the input's records cannot be read: they are too large, or a stream map fails on "
    "them. They are in the dead letter with the reason. So nothing proves that the lists of "
    "members are complete, and nobody was removed. Fix the map or the records, then run again."
)


class Sync:
    """Make the cohorts in Braze equal to the input, as far as that is safe."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        intake: Intake,
        tables: RunTables,
        senders: Senders,
        rejects: RejectedMembers,
        now: datetime,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Connect the parts, and start the clock of the run.

        Args:
            config: The settings of the target.
            intake: The cohorts of the input.
            tables: The staged members and the known membership.
            senders: Sends the requests.
            rejects: Writes the dead letters.
            now: The time of the run, with a time zone.
            clock: Returns seconds that never run backwards.
        """
        self._config = config
        self._intake = intake
        self._staging = tables.staging
        self._changes = tables.changes
        self._store = tables.membership
        self._senders = senders
        self._rejects = rejects
        self._now = now
        self._clock = clock
        self._started = clock()
        self._is_read = False
        self._guarded = False
        self._refused = False
        self._missing_cohorts: list[str] = []
        """Ids in the setting `cohort_ids` that neither the input nor an earlier run has."""
        self._delivery = CohortDelivery(
            config, tables=tables, senders=senders, rejects=rejects, now=now
        )
        self._planned: list[PlannedChange] = []
        self.result = RunResult(
            dry_run=config["dry_run"], writes_attributes=config["delivery"] == ATTRIBUTE
        )

    def progress(self) -> Done:
        """Return the progress so far. Any thread may call this."""
        senders, result = self._senders, self.result
        return Done(
            self._staging.records,
            is_read=self._is_read,
            sent=result.sent,
            planned=result.planned if result.plan_seconds else None,
            in_flight=senders.in_flight,
            retries=senders.retries,
            pause=senders.paused_for,
        )

    def abort(self) -> None:
        """End the requests in flight. Any thread may call this."""
        self._senders.client.abort()

    def run(self, *, cut: bool, streams: Collection[str]) -> None:
        """Plan and deliver.

        Args:
            cut: Whether the input ended in the middle of a line. Then nobody is removed.
            streams: The streams with a SCHEMA in the input, by the tap's names.

        Raises:
            InputError: The input is empty.
            SettingsError: The input does not match the settings, or profiles are needed and were
                not selected.
            ConnectorError: An error of `SendLoop.send`. `failure` returns errors of single cohorts.
        """
        self._is_read = True
        known = self._store.lists()
        self._intake.select_by_name({one.cohort_id: one.cohort_name for one in known})
        if not self._require_usable_input(cut=cut, streams=streams, known=known):
            return
        self._store.require_kind(self._config["identifier"])
        self._staging.settle()
        self._reject_without_identifier()
        steps = self._plan(known, cut=cut)
        self.result.plan_seconds = self.result.seconds = self._clock() - self._started
        if not self._config["dry_run"]:
            self._deliver(steps)

    def write_people(self, people: PlannedPeople) -> None:
        """Write the people of the plan.

        Args:
            people: The writer.

        Raises:
            ConnectorError: The file cannot be written.
        """
        people.write(self._planned, self._changes)

    def failure(self) -> ConnectorError | None:
        """Return the error of a run that has reached its end, or None if all is well."""
        stopped = self.result.stopped
        unread = self._intake.set_aside
        why = _SET_ASIDE.format(count=unread) if unread else _INCOMPLETE
        incomplete = why if self.result.incomplete else ""
        if not stopped:
            if self._missing_cohorts and not incomplete:
                return self._missing()
            if incomplete and unread:
                return InputError(incomplete)
            return TemporaryError(incomplete) if incomplete else None
        cohorts = ", ".join(f"{cohort.cohort_id} ({cohort.stopped})" for cohort in stopped)
        message = f"These cohorts were stopped: {cohorts}. The others went on. {incomplete}".strip()
        if self._refused:
            return InputError(message)
        if not self._guarded:
            return TemporaryError(f"{message} Run again later.")
        return SettingsError(f"{message} If the lists are right, allow it with these settings.")

    def _missing(self) -> SettingsError:
        missing = ", ".join(self._missing_cohorts)
        if not (self._intake.cohorts or self._intake.passed_over):
            return SettingsError(
                f"The input has no cohorts at all, so none of those in cohort_ids ({missing}). "
                "Does the tap's project have them, and may its credentials see them? Nothing was "
                "sent."
            )
        return SettingsError(
            f"Setting cohort_ids: the input has no cohort {missing}. "
            "The others were delivered. Correct the id or remove it."
        )

    # The input

    def _require_usable_input(
        self, *, cut: bool, streams: Collection[str], known: Collection[KnownList]
    ) -> bool:
        """Raise if the input does not match the settings. Return False if it cannot be delivered.

        It cannot be delivered if it was cut off before the profiles that it needs.
        """
        if not cut:
            require_something(self._config, self._intake, streams=streams, known=known)
            self._missing_cohorts = missing_cohorts(self._config, self._intake, known)
        if not self._intake.lacks_profiles:
            return True
        if not cut:
            raise SettingsError(
                _NO_PROFILES.format(
                    property=self._config["external_id_property"],
                    stream=self._config["profiles_stream"],
                )
            )
        return False  # the profiles may be in the missing part

    def _reject_without_identifier(self) -> None:
        """Write the members without an identifier to the dead letter."""
        ids = {cohort.number: cohort.id for cohort in self._intake.cohorts.values()}
        for number, member in self._staging.without_identifier():
            if number in ids:
                self._rejects.without_identifier(ids[number], member)

    # The plan

    def _plan(self, known: Sequence[KnownList], *, cut: bool) -> list[Step]:
        """Decide about every cohort, put the plan into the result, and return the steps to send.

        The decisions are in `planning`, which is pure. This method collects the numbers for them:
        it reads the store, and lets the database compare the wanted with the known members.

        Args:
            known: All lists of the workspace.
            cut: Whether the input ended in the middle of a line.
        """
        evidence = self._settle_cohorts(known, cut=cut)
        is_selected = self._intake.is_selected
        matcher = Matcher(
            self._config,
            cohorts=self._intake.cohorts,
            known=known,
            evidence=evidence,
            is_selected=is_selected,
            now=self._seconds,
        )
        sizes = {one.id: self._store.count(one.id) for one in known if is_selected(one.cohort_id)}
        planner = Planner(self._config, evidence=evidence, sizes=sizes)
        matches = matcher.matches()
        jobs = self._jobs(planner, matches)
        results = [CohortResult.of(job) for job in jobs]
        vanished, clearing = self._plan_vanished(matcher.vanished(matches), sizes, planner)
        self.result.cohorts = [*results, *vanished]
        self.result.incomplete = is_incomplete(jobs, evidence, known)
        self._guarded = bool(self.result.stopped)
        planned = list(zip(jobs, results, strict=True))
        for job, result in planned:
            self._planned += changes_of(job, result)
        updates = [
            self._delivery.update(job, result) for job, result in planned if job.decision.send
        ]
        return [*updates, *clearing]

    def _settle_cohorts(self, known: Sequence[KnownList], *, cut: bool) -> InputEvidence:
        """Decide which cohorts the input has, and what proves that it is complete."""
        if self._intake.takes_changes:
            # A known cohort without changes may still have something to do: an unsure request of
            # an earlier run, or a full round.
            for one in known:
                self._intake.recall(one.cohort_id)
        self._intake.settle()
        return self._intake.evidence_at_end(cut=cut)

    def _jobs(self, planner: Planner, matches: Sequence[Match]) -> list[Job]:
        """Get each decision its numbers from the store, and make it."""
        staged = self._staging.counts()
        return [
            planner.job(
                match,
                staged.get(match.cohort.number, StagedCounts()),
                self._difference(match) if planner.needs_difference(match) else Difference(),
            )
            for match in matches
        ]

    def _difference(self, match: Match) -> Difference:
        return self._changes.queue_difference(
            match.cohort.number,
            match.known,
            match.generation,
            match.former,
            by_changes=match.cohort.by_changes,
        )

    def _plan_vanished(
        self, vanished: Sequence[KnownList], sizes: Mapping[int, ListSize], planner: Planner
    ) -> tuple[list[CohortResult], list[Step]]:
        """Plan the lists of cohorts that are no longer in the source.

        Returns:
            The results, and the steps to send. There are no steps if the members are kept.
        """
        # An input without any record does not prove that the source has no cohorts.
        clear = (
            self._config["clear_vanished_cohorts"]
            and self._config["sync_mode"] == SyncMode.DYNAMIC
            and self._intake.has_records
        )
        guarded = {one.id for one in vanished if planner.is_guarded(one.cohort_id, one.cohort_name)}
        leaving = sum(sizes[number].held for number in guarded)
        everybody = sum(size.held for size in sizes.values())
        guard = vanished_guard(leaving, everybody, planner.guards) if clear else None
        results, steps = [], []
        for known in vanished:
            size, stopped = sizes[known.id], guard if known.id in guarded else None
            goes = clear and not stopped
            result = CohortResult(
                known.cohort_id,
                known.cohort_name,
                CohortCounts(
                    known=size.held,
                    to_remove=self._changes.queue_everybody(known) if goes else 0,
                ),
                size.acknowledged,
                planned=size.held if goes else 0,
                stopped=stopped,
                note="" if stopped else _VANISHED if goes else f"{_VANISHED}: members kept",
            )
            results.append(result)
            if goes:
                self._planned.append(emptying(known, result))
                steps.append(self._delivery.clear(known, result))
        return results, steps

    # Delivery

    def _deliver(self, steps: Sequence[Step]) -> None:
        """Run the steps, and put the numbers of requests into the result, also after an error."""
        try:
            self._delivery.deliver(steps)
        finally:
            self._refused = any(step.is_refused for step in steps)
            self.result.requests = self._senders.requests
            self.result.retries = self._senders.retries
            self.result.seconds = self._clock() - self._started

    @property
    def _seconds(self) -> int:
        return int(self._now.timestamp())
