"""Collect the figures of a run for the summary, from its result."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.summary.content import RunFacts, Stop

if TYPE_CHECKING:
    from datetime import datetime

    from target_braze_cohorts.run.results import RunResult


def run_facts(
    result: RunResult | None,
    *,
    dry_run: bool,
    dead_letter: str | None,
    state_covers_until: datetime | None,
) -> RunFacts:
    """Return the figures of a run.

    Args:
        result: The plan and the result, or None if the run failed before it began.
        dry_run: Whether nothing was sent.
        dead_letter: The path or URL of the dead letter, or None if nothing was written.
        state_covers_until: When the run began, if everything was delivered and STATE was written.
    """
    cohorts = result.cohorts if result else []
    return RunFacts(
        counts={
            "cohorts": len(cohorts),
            "received": sum(one.counts.received for one in cohorts),
            "without_identifier": sum(one.counts.without_identifier for one in cohorts),
            "to_add": sum(one.counts.to_add for one in cohorts),
            "to_remove": sum(one.counts.to_remove for one in cohorts),
            "added": sum(one.done.added for one in cohorts),
            "removed": sum(one.done.removed for one in cohorts),
            "refused": sum(one.done.refused for one in cohorts),
            "requests": result.requests if result else 0,
        },
        guards=[Stop(one.cohort_id, one.stopped) for one in cohorts if one.stopped],
        state_covers_until=state_covers_until,
        dead_letter=dead_letter,
        dry_run=dry_run,
    )
