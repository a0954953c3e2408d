"""Plain text tables for the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from braze_mixpanel.clean_text import Lines, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Row = tuple[str | int, ...]

LOGGED_ROWS: Final = 40
"""Rows of a table in the log; the report has them all."""


def shortened(
    rows: Sequence[Row],
    rank: Callable[[Row], tuple[int, ...]],
    rest_of: Callable[[Sequence[Row]], Row],
    most: int = LOGGED_ROWS,
) -> list[Row]:
    """Keep the rows that matter most, and sum the others up in one.

    Args:
        rows: All rows of a table.
        rank: What matters about a row, such as a tuple of numbers: the largest stay.
        rest_of: Makes one row of those that are left out.
        most: How many rows remain, the sum included.

    Returns:
        The rows in their order, then the sum; all rows if they are no more than `most`.
    """
    if len(rows) <= most:
        return list(rows)
    by_rank = sorted(range(len(rows)), key=lambda place: rank(rows[place]), reverse=True)
    kept = set(by_rank[: most - 1])
    rest = [row for place, row in enumerate(rows) if place not in kept]
    return [*(rows[place] for place in sorted(kept)), rest_of(rest)]


def sum_of(rows: Sequence[Row], column: int) -> int:
    """Add up a column of whole numbers."""
    return sum(int(row[column]) for row in rows)


MOST_ROWS: Final = 200
"""Rows that a table shows: users choose the names of custom events, and there is one row each."""


def text_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Lines:
    """Align columns; one line a row, cells cleaned and bounded, numbers to the right.

    Args:
        headings: The first line.
        rows: As many cells each; integers are written without separators. Of more than `MOST_ROWS`
            the first and the last are shown: that one often has the sums.

    Returns:
        The lines, joined; no newline at the end.
    """
    cells = [[str(heading) for heading in headings]]
    numeric = [True] * len(headings)
    all_rows = list(rows)
    left_out = len(all_rows) - MOST_ROWS
    for row in [*all_rows[: MOST_ROWS - 1], all_rows[-1]] if left_out > 0 else all_rows:
        cells.append([one_line(str(cell)) for cell in row])
        numeric = [n and isinstance(cell, int) for n, cell in zip(numeric, row, strict=True)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(headings))]
    lines = [
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    ]
    if left_out > 0:
        lines.insert(-1, f"… and {left_out} more")
    return Lines("\n".join(lines))
