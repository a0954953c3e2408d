"""Format plain text tables for the log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from braze_mixpanel.clean_text import Lines, one_line

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    Row = tuple[str | int, ...]

LOGGED_ROWS: Final = 40
"""The most rows of a table in the log. The report has all rows."""


def shortened(
    rows: Sequence[Row],
    rank: Callable[[Row], tuple[int, ...]],
    rest_of: Callable[[Sequence[Row]], Row],
    most: int = LOGGED_ROWS,
) -> list[Row]:
    """Return the most important rows, and one row that sums up the others.

    Args:
        rows: All rows of a table.
        rank: Returns the importance of a row as a tuple of numbers. The rows with the largest
            values are kept.
        rest_of: Returns one row for all rows that are left out.
        most: The most rows of the result, with the sum.

    Returns:
        The kept rows in their order, then the sum. All rows if there are at most `most`.
    """
    if len(rows) <= most:
        return list(rows)
    by_rank = sorted(range(len(rows)), key=lambda place: rank(rows[place]), reverse=True)
    kept = set(by_rank[: most - 1])
    rest = [row for place, row in enumerate(rows) if place not in kept]
    return [*(rows[place] for place in sorted(kept)), rest_of(rest)]


def sum_of(rows: Sequence[Row], column: int) -> int:
    """Return the sum of a column of whole numbers."""
    return sum(int(row[column]) for row in rows)


MOST_ROWS: Final = 200
"""The most rows of any table. Each event name has a row, and apps may have any number of names."""


def text_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> Lines:
    """Return a table with aligned columns, one line for each row.

    Cells are cleaned and shortened by `one_line`. Columns of integers are aligned to the right.

    Args:
        headings: The column headings.
        rows: The cells of each row. Of more than `MOST_ROWS` rows, the first ones and the last one
            are shown, because the last row often has the sums.

    Returns:
        The lines, without a newline at the end.
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
