"""Collect the figures of a run for the summary, from its pipeline."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import TYPE_CHECKING

from braze_mixpanel.summary.content import Reason, RunFacts, Stop
from target_mixpanel.run.account import Account, by_reason

if TYPE_CHECKING:
    from target_mixpanel.run.pipeline import Pipeline


def run_facts(pipeline: Pipeline | None, *, now: float, dry_run: bool) -> RunFacts:
    """Return the facts.

    Args:
        pipeline: Holds the account; None if the run failed before it began.
        now: The present in UNIX seconds.
        dry_run: Whether nothing was sent.
    """
    account = pipeline.account if pipeline else Account()
    newest = pipeline.newest_imported if pipeline else 0.0
    covered = pipeline.state_covers if pipeline else 0.0
    stopped = pipeline.stopped_by_guard if pipeline else None
    letter = pipeline.dead_letter if pipeline else None
    return RunFacts(
        counts={
            "read": account.read.total(),
            "imported": account.imported.total(),
            "skipped": account.skipped.total(),
            "rejected": account.rejected.total(),
            "not_settled": account.under_way,
            "retries": pipeline.retries if pipeline else 0,
        },
        reasons=[
            Reason(outcome, reason, events.total())
            for outcome, counts in (
                ("rejected", account.rejected),
                ("skipped", account.skipped),
                ("remark", account.remarks),
            )
            for reason, events in sorted(by_reason(counts).items())
        ],
        guards=[Stop("max_rejected_ratio", stopped)] if stopped else [],
        lag_seconds=max(0.0, now - newest) if newest else None,
        state_covers_until=datetime.fromtimestamp(covered, timezone.utc) if covered else None,
        dead_letter=letter.where if letter and letter.count else None,
        dry_run=dry_run,
    )
