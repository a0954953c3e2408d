"""What a run tells about each cohort: the plan, and what was done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from braze_mixpanel.tables import text_table
from target_braze_cohorts.braze.delivery import MembersChanged

if TYPE_CHECKING:
    from target_braze_cohorts.planning.decision import CohortCounts

_PLAN_HEADINGS = (
    "cohort",
    "name",
    "received",
    "without id",
    "in Braze",
    "to add",
    "to remove",
)
_DONE_HEADINGS = ("added", "removed", "refused")


@dataclass
class CohortResult:
    """One cohort of a run.

    Attributes:
        cohort_id: Its id.
        name: Its name; its id until the name is known.
        counts: The differences that the plan rests on.
        in_braze: Members whose add Braze had acknowledged before the run.
        done: What was done.
        stopped: Why nothing or not everything was sent; None if nothing stopped it.
        note: What else is worth knowing.
    """

    cohort_id: str
    name: str
    counts: CohortCounts
    in_braze: int = 0
    done: MembersChanged = field(default_factory=MembersChanged)
    stopped: str | None = None
    note: str = ""


@dataclass
class RunResult:
    """A whole run.

    Attributes:
        dry_run: Whether nothing was sent.
        cohorts: In the order of the input, then those that did not come.
        incomplete: Whether some list was not complete.
        requests: How many requests were sent to Braze.
        plan_seconds: How long reading, staging and comparing took.
        seconds: How long everything took.
    """

    dry_run: bool
    cohorts: list[CohortResult] = field(default_factory=list)
    incomplete: bool = False
    requests: int = 0
    plan_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def stopped(self) -> list[CohortResult]:
        """The cohorts that were stopped."""
        return [cohort for cohort in self.cohorts if cohort.stopped]

    def table(self) -> str:
        """Write it as plain text, one line a cohort."""
        done = () if self.dry_run else _DONE_HEADINGS
        return text_table((*_PLAN_HEADINGS, *done, "note"), map(self._row, self.cohorts))

    def _row(self, cohort: CohortResult) -> tuple[str | int, ...]:
        counts, done = cohort.counts, cohort.done
        stopped = f"STOPPED: {cohort.stopped}" if cohort.stopped else ""
        return (
            cohort.cohort_id,
            " ".join(cohort.name.split()),
            counts.received,
            counts.without_identifier,
            cohort.in_braze,
            counts.to_add,
            counts.to_remove,
            *(() if self.dry_run else (done.added, done.removed, done.refused)),
            "; ".join(part for part in (stopped, cohort.note) if part),
        )
