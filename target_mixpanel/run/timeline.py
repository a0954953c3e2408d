"""Count imported events by name and by their own time. Pure."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from braze_mixpanel.report.spans import DAY, HOUR, MONDAY, WEEK

if TYPE_CHECKING:
    from collections.abc import Iterable

MOST_CELLS: Final = 50_000
"""With more cells, hours become days, then weeks: years of custom events would fill the memory."""
WIDTHS: Final = (HOUR, DAY, WEEK)


class Timeline:
    """Count events by name and hour, or by day or week if there are too many hours."""

    def __init__(self, most_cells: int = MOST_CELLS) -> None:
        """Start with all counts at zero.

        Args:
            most_cells: The most pairs of name and hour to keep before hours become days.
        """
        self.width: int = HOUR
        """The seconds of a cell."""
        self._most_cells = most_cells
        self._cells: Counter[tuple[str, float]] = Counter()

    def add(self, names: Iterable[str], times: Iterable[float]) -> None:
        """Count events by their names and their times in UNIX seconds."""
        width = self.width
        self._cells.update(zip(names, [(time - MONDAY) // width for time in times], strict=True))
        if len(self._cells) > self._most_cells and width != WIDTHS[-1]:
            self._widen()

    def take_back(self, name: str, time: float) -> None:
        """Remove one event that was counted but then rejected."""
        self._cells[name, (time - MONDAY) // self.width] -= 1

    def counts(self) -> dict[tuple[str, int], int]:
        """Return (name, start of the cell in UNIX seconds) → number of events."""
        return {
            (name, int(cell) * self.width + MONDAY): count
            for (name, cell), count in self._cells.items()
            if count
        }

    def _widen(self) -> None:
        counts, self._cells = self.counts(), Counter()
        self.width = WIDTHS[WIDTHS.index(self.width) + 1]
        for (name, start), count in counts.items():
            self._cells[name, (start - MONDAY) // self.width] += count
