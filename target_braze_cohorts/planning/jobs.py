"""From what came and what is known to one job a cohort; the store is only read."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from braze_mixpanel.settings.reading import parse_ratio
from target_braze_cohorts.planning.changes import StagedCounts
from target_braze_cohorts.planning.decision import (
    CohortCounts,
    Decision,
    Guards,
    SyncMode,
    decide,
    resync_due,
    vanished_guard,
)
from target_braze_cohorts.run.results import CohortResult
from target_braze_cohorts.settings.definitions import ATTRIBUTE

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from target_braze_cohorts.intake.cohort_records import Cohort, Intake
    from target_braze_cohorts.planning.changes import KnownList
    from target_braze_cohorts.store.membership import MembershipStore
    from target_braze_cohorts.store.staging import Staging


@dataclass
class Job:
    """What is to be done with one cohort.

    Attributes:
        cohort: The cohort.
        label: What Braze knows it by.
        known: What Braze was told of that label, if anything.
        generation: The one that its members are to be in.
        decision: What may be done.
        report: What is told of it.
        retired: Lists under labels that it had before, to be emptied.
    """

    cohort: Cohort
    label: str
    known: KnownList | None
    generation: int
    decision: Decision
    report: CohortResult
    retired: list[KnownList] = field(default_factory=list)


class Planner:
    """Plans one run, when all its input is staged."""

    def __init__(
        self,
        config: Mapping[str, Any],
        intake: Intake,
        staging: Staging,
        store: MembershipStore,
        *,
        now: int,
        cut: bool,
    ) -> None:
        """Look at the input as a whole.

        Args:
            config: The target's settings.
            intake: The cohorts that came.
            staging: Their members.
            store: Known membership.
            now: UNIX seconds.
            cut: Whether the input ended in the middle of a line: then nobody is removed.
        """
        self._config = config
        self._intake = intake
        self._staging = staging
        self._now = now
        self._cut = cut
        self._store = store
        self._known = store.lists()
        self._mode = SyncMode(config["sync_mode"])
        self._changes: bool = config["changes_stream"]
        self._guards = Guards(
            max_removal_ratio=parse_ratio(config["max_removal_ratio"]),
            allow_empty_cohorts=config["allow_empty_cohorts"],
        )
        self._staged = staging.counts()

    def jobs(self) -> list[Job]:
        """Plan every cohort that came; with changes, also those with something left to do."""
        cohorts = self._intake.cohorts
        if self._changes:
            for known in self._known:
                self._intake.recall(known.cohort_id)
        labels = {cohort.id: self._label(cohort) for cohort in cohorts.values()}
        used = Counter(labels.values())
        return [
            self._shared(cohort, label)
            if used[label] > 1 or self._is_held_by_another(cohort, label)
            else self._plan(cohort, label, set(used))
            for cohort, label in ((cohort, labels[cohort.id]) for cohort in cohorts.values())
        ]

    def is_incomplete(self, jobs: Iterable[Job]) -> bool:
        """Tell whether some list, or all that was known of, may have come only in part."""
        if self._known and not self._intake.cohorts:
            return not self._intake.members_evidence.complete
        return any(job.decision.send and not job.decision.finishes for job in jobs)

    def vanished(self, jobs: Iterable[Job]) -> list[KnownList]:
        """Find the lists of cohorts that the source does not have any more."""
        labels = {job.label for job in jobs}
        return [
            known
            for known in self._known
            if self._has_vanished(known.cohort_id) and known.label not in labels
        ]

    def vanished_guard(self, vanished: Iterable[KnownList]) -> str | None:
        """Say why these lists may not be emptied; None if they may be."""
        everybody = sum(
            self._store.count(known.id)[0]
            for known in self._known
            if self._intake.is_selected(known.cohort_id)
        )
        leaving = sum(self._store.count(known.id)[0] for known in vanished)
        return vanished_guard(leaving, everybody, self._guards)

    def _has_vanished(self, cohort_id: str) -> bool:
        """Tell whether all cohorts came and this one did not."""
        intake = self._intake
        cohorts = intake.cohorts_evidence
        every_cohort_came = intake.members_evidence.complete and (
            cohorts.complete or not cohorts.began
        )
        return (
            every_cohort_came
            and not (self._changes or self._cut)
            and cohort_id not in intake.cohorts
            and intake.is_selected(cohort_id)
        )

    def _is_held_by_another(self, cohort: Cohort, label: str) -> bool:
        """Tell whether a label is that of another cohort, which may well still have it."""
        owner = next((known.cohort_id for known in self._known if known.label == label), cohort.id)
        if owner == cohort.id or self._has_vanished(owner):
            return False
        # Changes do not tell who of the list is in this cohort.
        return self._changes or owner not in self._intake.cohorts

    def _label(self, cohort: Cohort) -> str:
        config = self._config
        if config["delivery"] != ATTRIBUTE or config["attribute_value"] == "id":
            return cohort.id
        held = [known.label for known in self._known if known.cohort_id == cohort.id]
        return cohort.name or (held[-1] if held else cohort.id)

    def _shared(self, cohort: Cohort, label: str) -> Job:
        report = self._report(cohort, CohortCounts(received=self._received(cohort)))
        report.stopped = "another cohort has the same name: rename one, or attribute_value id"
        nothing = Decision(send=False, remove=False, finishes=False, stopped=report.stopped)
        return Job(cohort, label, None, 1, nothing, report)

    def _plan(self, cohort: Cohort, label: str, labels: set[str]) -> Job:
        known = next((known for known in self._known if known.label == label), None)
        retired = [
            other
            for other in self._known
            if other.cohort_id == cohort.id
            and other.label != label
            and (self._changes or other.label not in labels)
        ]
        delivered = any(
            other.delivered_at is not None
            for other in self._known
            if other.cohort_id == cohort.id or other is known
        )
        generation = self._generation(known)
        adds = removals = 0
        if not (delivered and self._mode is SyncMode.ONE_TIME):
            adds, removals = self._staging.diff(cohort.number, known, generation, retired)
        held, sure = self._store.count(known.id) if known else (0, 0)
        staged = self._staged.get(cohort.number, StagedCounts())
        counts = CohortCounts(
            received=self._received(cohort),
            without_identifier=staged.without_identifier + cohort.nameless,
            known=held,
            to_add=adds,
            to_remove=removals,
        )
        complete = self._is_complete(cohort, staged)
        decision = decide(
            self._with_retired(counts, cohort, retired),
            complete=complete,
            mode=self._mode,
            delivered=delivered,
            guards=self._guards,
        )
        report = self._report(cohort, self._shown(counts, decision, retired), known)
        report.in_braze = sure + sum(self._store.count(other.id)[1] for other in retired)
        report.stopped = decision.stopped
        report.note = self._note(cohort, staged, decision, retired, complete=complete)
        return Job(cohort, label, known, generation, decision, report, retired)

    def _shown(
        self, counts: CohortCounts, decision: Decision, retired: Iterable[KnownList]
    ) -> CohortCounts:
        """Give the numbers for the plan, with everybody who is taken out of an old name."""
        if not (decision.remove or decision.stopped):
            return replace(counts, to_remove=0)
        former = sum(self._store.count(other.id)[0] for other in retired)
        return replace(counts, to_remove=counts.to_remove + former)

    def _note(
        self,
        cohort: Cohort,
        staged: StagedCounts,
        decision: Decision,
        retired: Iterable[KnownList],
        *,
        complete: bool,
    ) -> str:
        note = decision.note
        if complete and self._differs(cohort, staged):
            note = f"the source counts {cohort.count}"
        left_out = f"{cohort.not_members} marked as no members" if cohort.not_members else ""
        renamed = ", ".join(f"was {other.label} before" for other in retired)
        return "; ".join(filter(None, (note, renamed, left_out)))

    def _generation(self, known: KnownList | None) -> int:
        if known is None:
            return 1
        due = self._mode is SyncMode.DYNAMIC and resync_due(
            known.resynced_at, self._now, self._config["full_resync_days"]
        )
        return known.generation + due

    def _with_retired(
        self, counts: CohortCounts, cohort: Cohort, retired: Iterable[KnownList]
    ) -> CohortCounts:
        """Count for the guards those too whom a renamed cohort has under its old name."""
        for other in retired:
            counts = replace(
                counts,
                known=counts.known + self._store.count(other.id)[0],
                to_remove=counts.to_remove + self._staging.leaving(cohort.number, other),
            )
        return counts

    def _received(self, cohort: Cohort) -> int:
        return self._staged.get(cohort.number, StagedCounts()).received + cohort.nameless

    def _differs(self, cohort: Cohort, staged: StagedCounts) -> bool:
        return not self._changes and cohort.count not in {None, staged.received}

    def _is_complete(self, cohort: Cohort, staged: StagedCounts) -> bool:
        """Tell whether whoever is not wanted has really left."""
        if self._cut:
            return False
        if self._changes:
            return True
        intake = self._intake
        # Somebody whose profile did not come may well have an identifier.
        profiles = (
            not intake.joined or intake.profiles_evidence.complete or not staged.without_profile
        )
        counted = cohort.count is not None and cohort.count == staged.received
        return profiles and (intake.members_evidence.complete or counted)

    @staticmethod
    def _report(
        cohort: Cohort, counts: CohortCounts, known: KnownList | None = None
    ) -> CohortResult:
        name = cohort.name or (known and known.name) or cohort.id
        return CohortResult(cohort.id, name, counts)
