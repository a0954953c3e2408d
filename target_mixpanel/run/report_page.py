"""The report of a run: what `Account` counted, as a page of `braze_mixpanel.report`."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from braze_mixpanel.report.page import Figure, Link, Listing, OverTime, Page, Table, link_to
from braze_mixpanel.report.writer import duration
from braze_mixpanel.singer.currents_streams import stream_id
from target_mixpanel.mapping.currents import documented_mapping
from target_mixpanel.run.account import Account, by_event, by_reason
from target_mixpanel.run.estimate import DAYS_A_MONTH, estimate

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from braze_mixpanel.report.writer import Ending
    from target_mixpanel.run.estimate import Estimate
    from target_mixpanel.run.pipeline import Pipeline

_MOST_MINUTES = 60
_MOST_NAMED = 4
"""How many events a reason names; the others are in the table of events."""


def make_page(
    ending: Ending,
    settings: Mapping[str, Any],
    pipeline: Pipeline | None,
    *,
    retries: int,
    now: float,
    streams: Collection[str] = (),
) -> Page:
    """Make the page with the outcome of every record.

    Args:
        ending: How the run ended.
        settings: The target's settings.
        pipeline: Holds the account; None if the run failed before it began.
        retries: Requests that were sent again.
        now: The present in UNIX seconds, for the age of the newest event.
        streams: Those with a SCHEMA message: a tap writes one for each that is selected.
    """
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
            *_figures(ending, account, retries, lag=max(0.0, now - newest) if newest else None),
        ],
        notes=[
            *_notes(settings, pipeline, ending.failure),
            *([forecast.basis()] if forecast else []),
        ],
        over_time=OverTime(f"{imported} events over time", timeline.counts(), timeline.width)
        if timeline
        else None,
        tables=[
            _events(account, imported, forecast),
            _reasons(account),
            *_retries(ending, pipeline.retries_by_minute if pipeline else {}),
        ],
        plugin="target-mixpanel",
        is_dry_run=settings["dry_run"],
        lists=[*_files(settings, pipeline), *_selection(account, streams)],
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


def _files(settings: Mapping[str, Any], pipeline: Pipeline | None) -> list[Listing]:
    files: list[tuple[str, str | Link]] = []
    if pipeline and pipeline.dead_letter.count:
        files.append(("Rejected records", link_to(str(pipeline.dead_letter.where))))
    if settings["dry_run"]:
        files.append(("Events as they would be sent", link_to(str(settings["dry_run_path"]))))
    return [Listing("Files", files)] if files else []


def _selection(account: Account, streams: Collection[str]) -> list[Listing]:
    """List the event types of Braze's own connector by whether they are selected, and came."""
    known = {
        stream_id(event_type): entry["event"]
        for event_type, entry in documented_mapping().items()
        if entry.get("native")
    }
    selected = known.keys() & set(streams)
    if not selected:
        return []
    seen = {name for name in account.read if account.read[name]}
    came = {stream for stream in selected if any(n.startswith(known[stream]) for n in seen)}
    groups = (
        ("selected, with records", came),
        ("selected, without records", selected - came),
        ("not selected", known.keys() - selected),
    )
    return [
        Listing(
            "Event types of Braze's own connector",
            [
                (f"{len(group)} {label}", ", ".join(sorted({known[stream] for stream in group})))
                for label, group in groups
                if group
            ],
        )
    ]


def _retries(ending: Ending, by_minute: Mapping[int, int]) -> list[Table]:
    """Show when requests were sent again; nothing if none was."""
    if not by_minute:
        return []
    minutes = sorted(by_minute)
    shown = minutes[-_MOST_MINUTES:]
    return [
        Table(
            title="Requests sent again over time",
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


def _figures(ending: Ending, account: Account, retries: int, *, lag: float | None) -> list[Figure]:
    imported, rejected = account.imported.total(), account.rejected.total()
    figures = [
        Figure("Skipped", f"{account.skipped.total():,}", "left out by a rule"),
        Figure("Rejected", f"{rejected:,}", "in the dead letter", "bad" * bool(rejected)),
    ]
    if account.under_way:
        figures.append(Figure("Not settled", f"{account.under_way:,}", "will come again", "bad"))
    return [
        *figures,
        Figure("Duration", duration(ending.seconds)),
        Figure("Throughput", f"{imported / max(ending.seconds, 0.001):,.0f}", "events a second"),
        Figure("Sent again", f"{retries:,}", "requests, after a failure"),
        Figure("Lag", "-", "nothing was imported")
        if lag is None
        else Figure("Lag", duration(lag), "age of newest event"),
    ]


def _notes(settings: Mapping[str, Any], pipeline: Pipeline | None, failure: str) -> list[str]:
    notes = []
    if pipeline and pipeline.dead_letter.count:
        notes.append(
            f"Dead letter: {pipeline.dead_letter.where} holds {pipeline.dead_letter.count:,} "
            "rejected records with the reason; it can be sent again through the target."
        )
    if settings["dry_run"]:
        what = "What was written before the failure" if failure else "What would be sent"
        notes.append(f"{what} lies in {settings['dry_run_path']}.")
    return notes


def _events(account: Account, imported: str, forecast: Estimate | None) -> Table:
    skipped, rejected = _sums(account.skipped), _sums(account.rejected)
    names = sorted(account.read, key=lambda name: (-account.read[name], name))
    return Table(
        title="Events",
        note=f"{len(names):,} types",
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
    """Add the words of the first such case, Mixpanel's own if it rejected the event."""
    words = account.explanations.get(reason)
    return f"{reason}: {words}" if words else reason


def _most(events: Counter[str]) -> str:
    ordered = sorted(events.items(), key=lambda item: (-item[1], item[0]))
    named = ", ".join(f"{name} ({count:,})" for name, count in ordered[:_MOST_NAMED])
    more = len(ordered) - _MOST_NAMED
    return f"{named} and {more:,} more" if more > 0 else named
