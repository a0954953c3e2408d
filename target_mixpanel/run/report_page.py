"""Build the report page of a run from the counts in `Account`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from braze_mixpanel.report.page import Figure, OverTime, Page, Table, files_of_run
from braze_mixpanel.report.writer import duration
from target_mixpanel.run.account import Account, by_event, by_reason
from target_mixpanel.run.estimate import DAYS_A_MONTH, estimate
from target_mixpanel.run.report_input import Input, event_types, what_was_read

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_mixpanel.report.writer import Ending
    from target_mixpanel.run.estimate import Estimate
    from target_mixpanel.run.pipeline import Pipeline

_MOST_MINUTES = 60
_MOST_NAMED = 4
"""The most events listed with a reason. The others are in the table of events."""


def make_page(
    ending: Ending,
    settings: Mapping[str, Any],
    pipeline: Pipeline | None,
    *,
    now: float,
    given: Input | None = None,
    dry_run_file: str = "",
) -> Page:
    """Make the page with the outcome of every record.

    Args:
        ending: How the run ended.
        settings: The target's settings.
        pipeline: Holds the account; None if the run failed before it began.
        now: The present in UNIX seconds, for the age of the newest event.
        given: What came in; None if nothing did.
        dry_run_file: Path or URL of the events of a dry run; empty if there is none.
    """
    given = given or Input()
    newest = pipeline.newest_imported if pipeline else 0.0
    account = pipeline.account if pipeline else Account()
    timeline = pipeline.timeline if pipeline else None
    imported = "Mapped" if settings["dry_run"] else "Imported"
    forecast = estimate(timeline) if timeline and settings["dry_run"] else None
    return Page(
        title="Events to Mixpanel",
        facts=_facts(ending, settings),
        status=ending.status,
        failure=ending.failure,
        figures=[
            _imported(account, imported),
            *_figures(ending, account, pipeline, lag=max(0.0, now - newest) if newest else None),
        ],
        notes=[forecast.basis()] if forecast else [],
        over_time=OverTime(f"{imported} events over time", timeline.counts(), timeline.width)
        if timeline
        else None,
        tables=[
            _reasons(account),
            *_retries(ending, pipeline.retries_by_minute if pipeline else {}),
            _events(account, imported, forecast),
        ],
        plugin="target-mixpanel",
        is_dry_run=settings["dry_run"],
        lists=[
            *what_was_read(given),
            *files_of_run(_files(pipeline, dry_run_file, ending.failure), settings),
        ],
        appendix=event_types(given),
        done=account.imported.total(),
        failed=account.rejected.total(),
    )


def _facts(ending: Ending, settings: Mapping[str, Any]) -> list[str]:
    project = settings.get("project_id")
    return [
        "target-mixpanel",
        *([f"project {project}"] if project else []),
        str(settings.get("api_url") or f"region {settings['region']}"),
        f"begun {ending.began:%d %b %Y, %H:%M:%S} UTC",
    ]


def _files(pipeline: Pipeline | None, dry_run_file: str, failure: str) -> dict[str, str]:
    files = {}
    if pipeline and (count := pipeline.dead_letter.count):
        label = f"{count:,} rejected records, with reasons"
        files[label] = str(pipeline.dead_letter.where)
    if dry_run_file:
        what = "Events before the failure" if failure else "Events as they would be sent"
        files[what] = dry_run_file
    return files


def _retries(ending: Ending, by_minute: Mapping[int, int]) -> list[Table]:
    """Return the table of retries over time, or nothing if there were none."""
    if not by_minute:
        return []
    minutes = sorted(by_minute)
    shown = minutes[-_MOST_MINUTES:]
    return [
        Table(
            title="Retried requests over time",
            note="UTC, by minute" + (", the last ones" if shown != minutes else ""),
            headings=("From", "Requests"),
            rows=[
                (f"{ending.began + timedelta(minutes=minute):%d %b %Y, %H:%M}", by_minute[minute])
                for minute in shown
            ],
        )
    ]


def _imported(account: Account, name: str) -> Figure:
    imported = account.imported.total()
    return Figure(
        name, f"{imported:,}", f"of {account.read.total():,} read", "good" * bool(imported)
    )


def _figures(
    ending: Ending, account: Account, pipeline: Pipeline | None, *, lag: float | None
) -> list[Figure]:
    imported, rejected = account.imported.total(), account.rejected.total()
    figures = [
        Figure("Skipped", f"{account.skipped.total():,}", "left out by a rule"),
        Figure("Rejected", f"{rejected:,}", "in the dead letter", "bad" * bool(rejected)),
    ]
    if account.under_way:
        figures.append(Figure("Not settled", f"{account.under_way:,}", "sent next time", "bad"))
    return [
        *figures,
        Figure("Duration", duration(ending.seconds)),
        Figure("Throughput", f"{imported / max(ending.seconds, 0.001):,.0f}", "events a second"),
        Figure("Retried", f"{pipeline.retries if pipeline else 0:,}", "requests, after a failure"),
        Figure("Lag", "-", "nothing was imported")
        if lag is None
        else Figure("Lag", duration(lag), "age of newest event"),
    ]


def _events(account: Account, imported: str, forecast: Estimate | None) -> Table:
    skipped, rejected = _sums(account.skipped), _sums(account.rejected)
    names = sorted(account.read, key=lambda name: (-account.read[name], name))
    return Table(
        title="Events",
        note=f"{len(names):,} type" + "s" * (len(names) != 1),
        headings=(
            *("Event", "Read", imported, "Skipped", "Rejected"),
            *(("A day", "A month") if forecast else ()),
        ),
        rows=[
            (
                name,
                account.read[name],
                account.imported[name],
                skipped[name],
                rejected[name],
                *((forecast.a_day(name), forecast.a_month(name)) if forecast else ()),
            )
            for name in names
        ],
        total=(
            "Total",
            account.read.total(),
            account.imported.total(),
            skipped.total(),
            rejected.total(),
            *((forecast.total(1), forecast.total(DAYS_A_MONTH)) if forecast else ()),
        ),
    )


def _sums(counts: Counter[tuple[str, str]]) -> Counter[str]:
    return Counter({event: reasons.total() for event, reasons in by_event(counts).items()})


def _reasons(account: Account) -> Table:
    rows = [
        (outcome, _explained(reason, account), events.total(), _most(events))
        for outcome, counts in (
            ("rejected", account.rejected),
            ("skipped", account.skipped),
            ("remark", account.remarks),
        )
        for reason, events in sorted(
            by_reason(counts).items(), key=lambda item: (-item[1].total(), item[0])
        )
    ]
    return Table(
        title="Why records were skipped or rejected",
        headings=("Outcome", "Reason", "Records", "Events"),
        rows=rows,
    )


def _explained(reason: str, account: Account) -> str:
    """Return a reason with the explanation of its first event."""
    words = account.explanations.get(reason)
    return f"{reason}: {words}" if words else reason


def _most(events: Counter[str]) -> str:
    ordered = sorted(events.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{name} ({count:,})" for name, count in ordered[:_MOST_NAMED])
    more = len(ordered) - _MOST_NAMED
    return f"{named} and {more:,} more" if more > 0 else named
