"""Plain text tables for the end of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.clean_text import one_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence


def text_table(headings: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Align columns; one line a row, cells cleaned and bounded, numbers to the right.

    Args:
        headings: The first line.
        rows: As many cells each; integers are written without separators.

    Returns:
        The lines, joined; no newline at the end.
    """
    cells = [[str(heading) for heading in headings]]
    numeric = [True] * len(headings)
    for row in rows:
        cells.append([one_line(str(cell)) for cell in row])
        numeric = [n and isinstance(cell, int) for n, cell in zip(numeric, row, strict=True)]
    widths = [max(len(line[i]) for line in cells) for i in range(len(headings))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in cells
    )
