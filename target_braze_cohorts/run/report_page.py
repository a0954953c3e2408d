"""Build the report page of a run: the plan and the result for each cohort."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.report.page import Change, Changes, Figure, Page, Table, files_of_run
from braze_mixpanel.report.writer import duration
from target_braze_cohorts.run.results import RunResult
from target_braze_cohorts.settings.instances import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_mixpanel.report.writer import Ending
    from target_braze_cohorts.run.results import CohortResult

_MOST_BARS: Final = 50
"""The most cohorts in the chart, largest first. The table has all cohorts."""


def make_page(
    ending: Ending,
    settings: Mapping[str, Any],
    result: RunResult | None,
    *,
    dead_letter: str | None,
    people: str,
) -> Page:
    """Make the page.

    Args:
        ending: How the run ended.
        settings: The target's settings.
        result: What was planned and done; None if the run failed before it began.
        dead_letter: Path or URL of the dead letter; None if nothing was written.
        people: The same of the file with the people of a dry run; empty if there is none.
    """
    result = result or RunResult(dry_run=settings["dry_run"])
    incomplete = "Some lists are not known to be complete: nobody was taken out of those."
    return Page(
        title="Cohorts to Braze",
        facts=_facts(ending, settings),
        status=ending.status,
        failure=ending.failure,
        figures=_figures(ending, result),
        notes=[incomplete] if result.incomplete else [],
        tables=[_cohorts(result)],
        changes=_changes(result),
        plugin="target-braze-cohorts",
        is_dry_run=result.dry_run,
        lists=files_of_run(
            {
                "Members left out, with the reason": dead_letter,
                "Who would be added or removed": people,
            },
            settings,
        ),
        done=sum(cohort.done.added + cohort.done.removed for cohort in result.cohorts),
        failed=sum(cohort.done.refused for cohort in result.cohorts),
    )


def _changes(result: RunResult) -> Changes:
    """Return the chart of each cohort's members after the run, or after a dry run's plan."""
    rows = []
    for cohort in result.cohorts:
        is_planned = result.dry_run and not cohort.stopped
        added = cohort.counts.to_add if is_planned else cohort.done.added
        removed = cohort.counts.to_remove if is_planned else cohort.done.removed
        rows.append(Change(cohort.name, max(0, cohort.in_braze - removed), added, removed))
    rows.sort(key=lambda row: (-(row.kept + row.added), row.name))
    title = "Sizes and planned changes" if result.dry_run else "Sizes and changes"
    return Changes(title, rows[:_MOST_BARS])


def _facts(ending: Ending, settings: Mapping[str, Any]) -> list[str]:
    return [
        "target-braze-cohorts",
        endpoint(settings.get("instance"), settings.get("rest_endpoint")),
        f"delivery {settings['delivery']}, {settings['sync_mode']}",
        f"begun {ending.began:%d %b %Y, %H:%M:%S} UTC",
    ]


def _figures(ending: Ending, result: RunResult) -> list[Figure]:
    cohorts = result.cohorts
    stopped = len(result.stopped)
    planned = [
        sum(cohort.counts.to_add for cohort in cohorts),
        sum(cohort.counts.to_remove for cohort in cohorts),
    ]
    figures = [
        Figure(
            "Cohorts", f"{len(cohorts):,}", f"{stopped:,} stopped" if stopped else "none stopped"
        ),
        Figure("Received", f"{sum(one.counts.received for one in cohorts):,}", "members"),
    ]
    if result.dry_run:
        figures += [
            Figure("To add", f"{planned[0]:,}", "members"),
            Figure("To remove", f"{planned[1]:,}", "members"),
        ]
        if result.shows_data_points:
            figures.append(Figure("Data points", f"{result.data_points:,}", "in Braze"))
    else:
        added = sum(cohort.done.added for cohort in cohorts)
        removed = sum(cohort.done.removed for cohort in cohorts)
        refused = sum(cohort.done.refused for cohort in cohorts)
        figures += [
            Figure("Added", f"{added:,}", f"of {planned[0]:,} planned", "good" * bool(added)),
            Figure("Removed", f"{removed:,}", f"of {planned[1]:,} planned"),
            Figure("Refused", f"{refused:,}", "by Braze", "bad" * bool(refused)),
            Figure("Requests", f"{result.requests:,}", "to Braze"),
        ]
    return [*figures, Figure("Duration", duration(ending.seconds))]


def _cohorts(result: RunResult) -> Table:
    points = ("Data points",) * result.shows_data_points
    done = points if result.dry_run else ("Added", "Removed", "Refused")
    plan = ("Received", "Without id", "In Braze", "To add", "To remove")
    numbers = [result.numbers(cohort) for cohort in result.cohorts]
    sums = [sum(column) for column in zip(*numbers, strict=True)]
    return Table(
        title="Cohorts",
        note="the plan" if result.dry_run else "the plan, and what was done",
        headings=("Cohort", "Id", *plan, *done, "Note"),
        rows=[
            (cohort.name, cohort.cohort_id, *its, _note(cohort))
            for cohort, its in zip(result.cohorts, numbers, strict=True)
        ],
        total=("Total", "", *sums, "") if sums else (),
        unbroken=("Id",),
    )


def _note(cohort: CohortResult) -> str:
    stopped = f"Stopped: {cohort.stopped}" if cohort.stopped else ""
    return "; ".join(part for part in (stopped, cohort.note) if part)
