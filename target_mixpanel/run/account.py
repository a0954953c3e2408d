"""Count the outcome of every record of a run, by Mixpanel event."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Final

from braze_mixpanel.tables import shortened, text_table
from target_mixpanel.mapping.currents import native_events
from target_mixpanel.run.estimate import DAYS_A_MONTH

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from target_mixpanel.run.estimate import Estimate

_NOTHING: Counter[str] = Counter()
_LOGGED_EVENTS: Final = 80
"""The most rows of the closing table: enough for the 54 native types and some custom events."""


class Account:
    """Count records. `read` is always imported + skipped + rejected + without an outcome yet."""

    def __init__(self) -> None:
        """Start with all counts at zero."""
        self.read: Counter[str] = Counter()
        self.imported: Counter[str] = Counter()
        self.skipped: Counter[tuple[str, str]] = Counter()
        self.rejected: Counter[tuple[str, str]] = Counter()
        self.rejected_count = 0
        """The sum of `rejected`. It is kept, because it is needed after each batch."""
        self.explanations: dict[str, str] = {}
        """Reason of a rejection → an explanation: the rule, or Mixpanel's message about the first
        event."""
        self.remarks: Counter[tuple[str, str]] = Counter()
        """Remarks on events that were sent anyway."""

    @property
    def under_way(self) -> int:
        """The number of records without an outcome."""
        return self.read.total() - (
            self.imported.total() + self.skipped.total() + self.rejected.total()
        )

    def skip(self, event: str, reason: str) -> None:
        """Count one record as read and skipped."""
        self.read[event] += 1
        self.skipped[event, reason] += 1

    def settle(self, names: Iterable[str]) -> None:
        """Count events as imported, by their names."""
        self.imported.update(names)

    def reject(self, event: str, reason: str, *, was_imported: bool = False) -> None:
        """Count one record as rejected.

        Args:
            event: The Mixpanel event name.
            reason: The reason, see `RejectedEvent`.
            was_imported: Whether `settle` has counted the record as imported. That is corrected.
        """
        self.rejected[event, reason] += 1
        self.rejected_count += 1
        if was_imported:
            self.imported[event] -= 1

    def table(self, *, dry_run: bool = False, estimate: Estimate | None = None) -> str:
        """Return the closing table: one line for each event name, and the sums in the last line.

        With many event names, only some have their own line: first the ones with rejected records,
        then the events of Braze's own connector, then the largest. One line sums up the rest.

        Args:
            dry_run: Whether this is a dry run, in which events are mapped and not imported.
            estimate: If given, columns with the events a day and a month are added.
        """
        outcomes = ("mapped" if dry_run else "imported", "skipped", "rejected")
        expected = ("a day", "a month") if estimate else ()
        row, native = self._rows(estimate), native_events()
        rows = shortened(
            [row(event, [event]) for event in sorted(self.read)],
            rank=lambda one: (int(one[4]), one[0] in native, int(one[1])),
            rest_of=lambda rest: row(f"… and {len(rest)} more", [str(one[0]) for one in rest]),
            most=_LOGGED_EVENTS,
        )
        total = (
            "total",
            self.read.total(),
            self.imported.total(),
            self.skipped.total(),
            self.rejected.total(),
            *((estimate.total(1), estimate.total(DAYS_A_MONTH)) if estimate else ()),
            f"not settled: {self.under_way}" if self.under_way else "",
        )
        return text_table(("event", "read", *outcomes, *expected, "why"), [*rows, total])

    def _rows(
        self, estimate: Estimate | None
    ) -> Callable[[str, Collection[str]], tuple[str | int, ...]]:
        """Return a function that builds the row of one or more events."""
        why = {
            what: by_event(counts)
            for what, counts in (
                ("skipped,", self.skipped),
                ("rejected,", self.rejected),
                ("note:", self.remarks),
            )
        }

        def row(title: str, events: Collection[str]) -> tuple[str | int, ...]:
            reasons: dict[str, Counter[str]] = {what: Counter() for what in why}
            for what, by_name in why.items():
                for event in events:
                    reasons[what].update(by_name.get(event, _NOTHING))
            per_day = (estimate.a_day, estimate.a_month) if estimate else ()
            return (
                title,
                sum(self.read[event] for event in events),
                sum(self.imported[event] for event in events),
                reasons["skipped,"].total(),
                reasons["rejected,"].total(),
                *(sum(map(rate, events)) for rate in per_day),
                "; ".join(
                    f"{what} {reason}: {count}"
                    for what, counts in reasons.items()
                    for reason, count in sorted(counts.items())
                ),
            )

        return row


def by_event(counts: Counter[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Return counts of (event, reason) as event → reason → count."""
    groups: dict[str, Counter[str]] = defaultdict(Counter)
    for (event, reason), count in counts.items():
        groups[event][reason] += count
    return dict(groups)


def by_reason(counts: Counter[tuple[str, str]]) -> dict[str, Counter[str]]:
    """Return counts of (event, reason) as reason → event → count."""
    return by_event(Counter({(reason, event): count for (event, reason), count in counts.items()}))
