"""The plan and the result of a run for each cohort, and their table for the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from braze_mixpanel.tables import text_table
from target_braze_cohorts.braze.change_requests import MembersChanged

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_braze_cohorts.planning.decision import CohortCounts
    from target_braze_cohorts.planning.jobs import Job

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
_LEAST_SECONDS = 1e-3


@dataclass
class CohortResult:
    """One cohort of a run.

    Attributes:
        cohort_id: The id of the cohort.
        name: The name of the cohort, or its id if the name is not known.
        counts: The numbers of the plan.
        in_braze: The number of members whose add Braze had acknowledged before the run.
        planned: The number of people to send: adds, removals, and removals from former lists.
        done: The numbers of people added, removed and refused.
        stopped: The reason why the cohort was not sent, or not completely. None: not stopped.
        note: A note for the user.
    """

    cohort_id: str
    name: str
    counts: CohortCounts
    in_braze: int = 0
    planned: int = 0
    done: MembersChanged = field(default_factory=MembersChanged)
    stopped: str | None = None
    note: str = ""

    @property
    def is_unchanged(self) -> bool:
        """Whether there was nothing to do, and there is nothing to say about it."""
        done = self.done.added or self.done.removed or self.done.refused
        planned = self.counts.to_add or self.counts.to_remove
        return not (done or planned or self.stopped or self.note)

    @property
    def data_points(self) -> int:
        """The data points that the plan costs, one for each change. 0 if the cohort is stopped."""
        return 0 if self.stopped else self.counts.to_add + self.counts.to_remove

    def stop(self, why: str) -> None:
        """Note why not everything was sent."""
        self.stopped = why

    @classmethod
    def of(cls, job: Job) -> CohortResult:
        """Return the result of a job before it is sent."""
        decision, counts = job.decision, job.counts
        adds = counts.to_add if decision.send else 0
        return cls(
            cohort_id=job.match.cohort.id,
            name=job.name,
            counts=counts,
            in_braze=job.in_braze,
            planned=adds + (counts.to_remove if decision.remove else 0),
            stopped=job.decision.stopped,
            note=job.note,
        )


@dataclass
class RunResult:
    """The plan and the result of a whole run.

    Attributes:
        dry_run: Whether nothing was sent.
        writes_attributes: Whether each change of a member writes an attribute and so costs a data
            point.
        cohorts: The cohorts in the order of the input, then the vanished cohorts.
        incomplete: Whether a list was not complete.
        requests: The number of requests to Braze, with retries.
        retries: The number of retries.
        plan_seconds: The seconds for reading, staging and comparing.
        seconds: The seconds of the whole run.
    """

    dry_run: bool
    writes_attributes: bool = False
    cohorts: list[CohortResult] = field(default_factory=list)
    incomplete: bool = False
    requests: int = 0
    retries: int = 0
    plan_seconds: float = 0.0
    seconds: float = 0.0

    @property
    def planned(self) -> int:
        """The number of people to send."""
        return sum(cohort.planned for cohort in self.cohorts)

    @property
    def sent(self) -> int:
        """The number of people whom Braze has accepted or refused."""
        dones = [cohort.done for cohort in self.cohorts]
        return sum(done.added + done.removed + done.refused for done in dones)

    def closing_line(self) -> str:
        """Return the figures of the whole run in one line."""
        line = f"Read, staged and compared in {self.plan_seconds:.1f} s; "
        if self.sent:
            sending = max(self.seconds - self.plan_seconds, _LEAST_SECONDS)
            rate = self.sent / sending
            line += f"{self.sent:,} people sent in {sending:.1f} s, {rate:,.0f} a second; "
        again = f" ({self.retries} of them retries)" if self.retries else ""
        return f"{line}{self.requests} requests{again}, {self.seconds:.1f} s in all"

    @property
    def stopped(self) -> list[CohortResult]:
        """The cohorts that a guard or Braze stopped."""
        return [cohort for cohort in self.cohorts if cohort.stopped]

    @property
    def data_points(self) -> int:
        """The data points that the plan costs."""
        return sum(one.data_points for one in self.cohorts) if self.writes_attributes else 0

    @property
    def shows_data_points(self) -> bool:
        """Whether tables have a column of data points."""
        return self.dry_run and self.writes_attributes

    @property
    def is_unchanged(self) -> bool:
        """Whether a run that is no dry run had nothing to do for any cohort."""
        return not self.dry_run and all(cohort.is_unchanged for cohort in self.cohorts)

    def unchanged_line(self) -> str:
        """Return what takes the place of the table in a run without changes."""
        received = sum(cohort.counts.received for cohort in self.cohorts)
        in_braze = sum(cohort.in_braze for cohort in self.cohorts)
        cohorts = "1 cohort is" if len(self.cohorts) == 1 else f"{len(self.cohorts):,} cohorts are"
        return f"{cohorts} unchanged: {received:,} members received, {in_braze:,} are in Braze."

    def table(self) -> str:
        """Return the plan, and what was done: a line for each cohort, the sums last.

        Cohorts without a change have one line together, but for a dry run.
        """
        done = ("data points",) * self.shows_data_points if self.dry_run else _DONE_HEADINGS
        quiet = [cohort for cohort in self.cohorts if cohort.is_unchanged]
        if self.dry_run or len(quiet) == 1:
            quiet = []
        rows = [self._row(cohort) for cohort in self.cohorts if not (quiet and cohort.is_unchanged)]
        if quiet:
            rows.append(self._sums("…", f"{len(quiet)} unchanged", quiet))
        total = self._sums("total", "", self.cohorts)
        return text_table((*_PLAN_HEADINGS, *done, "note"), [*rows, total])

    def _sums(self, first: str, name: str, cohorts: Sequence[CohortResult]) -> tuple[Any, ...]:
        columns = zip(*(self.numbers(cohort) for cohort in cohorts), strict=True)
        return (first, name, *map(sum, columns), "")

    def _row(self, cohort: CohortResult) -> tuple[Any, ...]:
        stopped = f"STOPPED: {cohort.stopped}" if cohort.stopped else ""
        return (
            cohort.cohort_id,
            " ".join(cohort.name.split()),
            *self.numbers(cohort),
            "; ".join(part for part in (stopped, cohort.note) if part),
        )

    def numbers(self, cohort: CohortResult) -> tuple[int, ...]:
        """Return the numbers in a cohort's row: the plan, and the result or the cost."""
        counts, done = cohort.counts, cohort.done
        if not self.dry_run:
            last: tuple[int, ...] = (done.added, done.removed, done.refused)
        else:
            last = (cohort.data_points,) if self.shows_data_points else ()
        return (
            counts.received,
            counts.without_identifier,
            cohort.in_braze,
            counts.to_add,
            counts.to_remove,
            *last,
        )
