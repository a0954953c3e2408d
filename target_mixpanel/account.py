"""The account of a run: what became of every record, by Mixpanel event."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from braze_mixpanel.tables import text_table

if TYPE_CHECKING:
    from collections.abc import Iterable


class Account:
    """Counts records; `read` is always imported + skipped + rejected + under way."""

    def __init__(self) -> None:
        """Start with nothing read."""
        self.read: Counter[str] = Counter()
        self.imported: Counter[str] = Counter()
        self.skipped: Counter[tuple[str, str]] = Counter()
        self.rejected: Counter[tuple[str, str]] = Counter()
        self.remarks: Counter[tuple[str, str]] = Counter()
        """What was noticed in events that were sent all the same."""

    @property
    def under_way(self) -> int:
        """Records without an outcome."""
        return self.read.total() - (
            self.imported.total() + self.skipped.total() + self.rejected.total()
        )

    @property
    def rejected_ratio(self) -> float:
        """Rejected records among those that were meant to be imported and have an outcome."""
        rejected = self.rejected.total()
        return rejected / ((rejected + self.imported.total()) or 1)

    def skip(self, event: str, reason: str) -> None:
        """Count one record as read and left out."""
        self.read[event] += 1
        self.skipped[event, reason] += 1

    def settle(self, names: Iterable[str]) -> None:
        """Count events as imported, by their names."""
        self.imported.update(names)

    def reject(self, event: str, reason: str, *, was_imported: bool = False) -> None:
        """Count one record as rejected; `was_imported` takes it back from the imported ones."""
        self.rejected[event, reason] += 1
        if was_imported:
            self.imported[event] -= 1

    def table(self, *, dry_run: bool = False) -> str:
        """Give the closing table: one line an event, the sums last."""
        headings = ("event", "read", "mapped" if dry_run else "imported", "skipped", "rejected")
        rows = [
            (
                event,
                self.read[event],
                self.imported[event],
                _sum(self.skipped, event),
                _sum(self.rejected, event),
                self._why(event),
            )
            for event in sorted(self.read)
        ]
        total = (
            "total",
            self.read.total(),
            self.imported.total(),
            self.skipped.total(),
            self.rejected.total(),
            f"not settled: {self.under_way}" if self.under_way else "",
        )
        return text_table((*headings, "why"), [*rows, total])

    def _why(self, event: str) -> str:
        parts = [
            f"{what} {reason}: {count}"
            for what, counter in (
                ("skipped,", self.skipped),
                ("rejected,", self.rejected),
                ("note:", self.remarks),
            )
            for (name, reason), count in sorted(counter.items())
            if name == event
        ]
        return "; ".join(parts)


def _sum(counter: Counter[tuple[str, str]], event: str) -> int:
    return sum(count for (name, _), count in counter.items() if name == event)
