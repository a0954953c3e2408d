"""Make a job for each cohort from its numbers. Pure: counts in, jobs out; no I/O and no clock."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from braze_mixpanel.settings.reading import parse_ratio
from target_braze_cohorts.planning.changes import ListSize
from target_braze_cohorts.planning.decision import (
    SET_ASIDE_NOTE,
    CohortCounts,
    Decision,
    Guards,
    SyncMode,
    decide,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze_cohorts.intake.cohort_records import Cohort
    from target_braze_cohorts.intake.completeness import InputEvidence
    from target_braze_cohorts.planning.changes import Difference, KnownList, StagedCounts
    from target_braze_cohorts.planning.matching import Match


@dataclass(frozen=True, kw_only=True)
class Job:
    """The plan for one cohort.

    Attributes:
        match: The cohort and its lists in Braze.
        decision: Whether adds and removals may be sent.
        counts: The numbers for the plan table.
        in_braze: The number of members whose add Braze has acknowledged, under all labels of the
            cohort.
        note: A note for the user.
    """

    match: Match
    decision: Decision
    counts: CohortCounts
    in_braze: int = 0
    note: str = ""

    @property
    def name(self) -> str:
        """The name in the input, or else the name or the label in Braze, or else the id."""
        cohort, known = self.match.cohort, self.match.known
        return cohort.name or (known and known.cohort_name) or cohort.id


class Planner:
    """Make the jobs of one run."""

    def __init__(
        self,
        config: Mapping[str, Any],
        *,
        evidence: InputEvidence,
        sizes: Mapping[int, ListSize],
    ) -> None:
        """Keep the values that are the same for all cohorts.

        Args:
            config: The settings of the target.
            evidence: The proof that the input is complete.
            sizes: Id of a known list → its size.
        """
        self._evidence = evidence
        self._sizes = sizes
        self._mode = SyncMode(config["sync_mode"])
        self.guards = Guards(
            max_removal_ratio=parse_ratio(config["max_removal_ratio"]),
            allow_empty_cohorts=config["allow_empty_cohorts"],
            minimum=config["removal_guard_minimum"],
        )
        self._allowed = {str(value) for value in config.get("allow_removals_for") or ()}

    def needs_difference(self, match: Match) -> bool:
        """Return whether a cohort's job needs the difference, which costs SQL statements."""
        done = match.delivered and self._mode is SyncMode.ONE_TIME
        return match.conflict is None and not done

    def job(self, match: Match, staged: StagedCounts, difference: Difference) -> Job:
        """Return the job of one cohort.

        Args:
            match: The cohort and its lists.
            staged: The numbers of members in the input.
            difference: The numbers of changes. Zeros if `needs_difference` is False.
        """
        cohort = match.cohort
        received = staged.received + cohort.nameless + cohort.set_aside
        if match.conflict is not None:
            nothing = Decision(send=False, remove=False, finishes=False, stopped=match.conflict)
            return Job(match=match, decision=nothing, counts=CohortCounts(received=received))
        size = self._sizes[match.known.id] if match.known else ListSize()
        former = self._total(match.former)
        counts = CohortCounts(
            received=received,
            without_identifier=staged.without_identifier + cohort.nameless,
            known=size.held,
            to_add=difference.to_add,
            to_remove=difference.to_remove,
        )
        complete = self._is_complete(cohort, staged)
        decision = decide(
            # A renamed cohort has members under its former labels. The guards count the ones who
            # have left the cohort. The others only move to the new label.
            replace(
                counts,
                known=counts.known + former.held,
                to_remove=counts.to_remove + difference.leaving_former,
            ),
            complete=complete,
            mode=self._mode,
            delivered=match.delivered,
            guards=self._guards_of(match),
            somebody_unread=self._lacks_somebody(cohort, staged),
        )
        # The plan table counts all removals that are sent: all members are removed from a former
        # label, also the ones who move to the new label.
        removing = decision.remove or decision.stopped
        shown = replace(counts, to_remove=counts.to_remove + former.held if removing else 0)
        return Job(
            match=match,
            decision=decision,
            counts=shown,
            in_braze=size.acknowledged + former.acknowledged,
            note=self._note(match, staged, decision, complete=complete),
        )

    def is_guarded(self, cohort_id: str, name: str | None) -> bool:
        """Return whether the guards count for a cohort: not if `allow_removals_for` has it."""
        return self._allowed.isdisjoint({cohort_id, name})

    def _guards_of(self, match: Match) -> Guards:
        """Return the limits of a cohort: none if `allow_removals_for` has its id or name."""
        known = match.known.cohort_name if match.known else None
        if self.is_guarded(match.cohort.id, match.cohort.name or known):
            return self.guards
        return replace(self.guards, max_removal_ratio=1, allow_empty_cohorts=True)

    def _total(self, lists: Sequence[KnownList]) -> ListSize:
        sizes = [self._sizes[known.id] for known in lists]
        return ListSize(sum(size.held for size in sizes), sum(size.acknowledged for size in sizes))

    def _is_complete(self, cohort: Cohort, staged: StagedCounts) -> bool:
        """Return whether a known member who is not in the input has really left the cohort."""
        evidence = self._evidence
        if evidence.cut:
            return False
        if cohort.by_changes:
            return True
        # A member whose profile is not in the input may still have an identifier in Mixpanel.
        profiles = evidence.profiles_complete or not staged.without_profile
        unread = cohort.set_aside + evidence.set_aside
        counted = cohort.count is not None and 0 <= cohort.count - staged.received <= unread
        return profiles and (evidence.members_complete or counted)

    def _lacks_somebody(self, cohort: Cohort, staged: StagedCounts) -> bool:
        """Return whether a record that could not be read may be of a cohort's list."""
        if cohort.by_changes:
            return False
        of_any = self._evidence.set_aside and cohort.count != staged.received
        return bool(cohort.set_aside or of_any)

    def _note(
        self, match: Match, staged: StagedCounts, decision: Decision, *, complete: bool
    ) -> str:
        cohort, note = match.cohort, decision.note
        counts_others = cohort.count not in {None, staged.received}
        if complete and not cohort.by_changes and counts_others and note != SET_ASIDE_NOTE:
            note = f"the source counts {cohort.count}"
        wrong = "the source's count is not a whole number and proves nothing"
        wrong = wrong if cohort.has_wrong_count and not cohort.by_changes else ""
        set_aside = f"records set aside: {cohort.set_aside}" if cohort.set_aside else ""
        left_out = f"{cohort.not_members} marked as removed" if cohort.not_members else ""
        renamed = ", ".join(f"was {other.label} before" for other in match.former)
        return "; ".join(filter(None, (note, wrong, renamed, left_out, set_aside)))


def is_incomplete(jobs: Sequence[Job], evidence: InputEvidence, known: Sequence[KnownList]) -> bool:
    """Return whether the input may lack a part of some list.

    Args:
        jobs: The jobs of all cohorts.
        evidence: The proof that the input is complete.
        known: All lists of the workspace. An input without cohorts may lack all of them.
    """
    if known and not jobs:
        return not evidence.members_complete
    return any(job.decision.send and not job.decision.finishes for job in jobs)
