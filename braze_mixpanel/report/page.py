"""Renders the report of a run: plain data in, one self-contained HTML file out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final, cast

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.files.whole_file import WholeFile
from braze_mixpanel.settings.redaction import masked

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

NEEDED: Final = ("jinja2", "vl_convert")
"""Modules of the extra `report`."""

_MOST_CHARACTERS: Final = 2000
"""Of one text of the page, such as the failure."""
_MOST_ROWS: Final = 1000
"""Of one table: users choose the names of custom events, and there is one row each."""

Cell = str | int


@dataclass(frozen=True)
class Figure:
    """One number of the summary, with its label and a note."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    """`good`, `bad` or neither."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: Shown above the table.
        headings: The column headings.
        rows: The cells of each row; a column of whole numbers is aligned to the right.
        total: The cells of a last row in bold; empty for no such row.
        note: Shown beside the title.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] = ()
    note: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds whole numbers."""
        return [
            bool(self.rows) and all(isinstance(row[place], int) for row in self.rows)
            for place in range(len(self.headings))
        ]


@dataclass(frozen=True)
class OverTime:
    """Counts for the chart, see `chart.arrange`."""

    title: str
    counts: Mapping[tuple[str, int], int]
    width: int


@dataclass(frozen=True)
class Page:
    """The content of the page, from top to bottom.

    Attributes:
        title: What ran.
        facts: Short texts below the title, such as the time and the destination.
        status: How the run ended, in one or two words.
        failure: Why it failed, in one line; empty if it did not.
        figures: The summary.
        over_time: The chart, if there is one.
        tables: The tables below the chart.
        notes: Sentences, for example where the dead letter is.
    """

    title: str
    facts: Sequence[str]
    status: str
    failure: str
    figures: Sequence[Figure]
    tables: Sequence[Table]
    over_time: OverTime | None = None
    notes: Sequence[str] = field(default=())


def find_report_problem(report_path: str | None) -> str | None:
    """Check before the run that its report can be written.

    Args:
        report_path: The setting; None for no report.

    Returns:
        The mistake, in one line; None if there is none.
    """
    if not report_path:
        return None
    if not all(map(find_spec, NEEDED)):
        return (
            "Setting report_path needs libraries that are not installed: "
            'pip install "braze-mixpanel[report]"'
        )
    return report_file(report_path).problem()


def report_file(report_path: str, options: Mapping[str, Any] | None = None) -> WholeFile:
    """Return the file of the report.

    Args:
        report_path: The setting.
        options: The setting `path_options`.
    """
    return WholeFile(
        report_path,
        setting="report_path",
        what="The report",
        content_type="text/html; charset=utf-8",
        options=options,
    )


def render(page: Page) -> str:
    """Make the HTML."""
    from braze_mixpanel.report import chart  # noqa: PLC0415 - loads an XML parser

    page = cast("Page", _cleaned(page))
    bars = chart.arrange(page.over_time.counts, page.over_time.width) if page.over_time else None
    return _template().render(
        page=page,
        bars=bars,
        svg=chart.draw(bars) if bars else "",
        bar_width=chart.width_name(bars.width) if bars else "",
    )


def _cleaned(value: object) -> object:
    """Clean every text of a page: names of events and words of servers come from outside."""
    if isinstance(value, str):
        return one_line(masked(value), _MOST_CHARACTERS)
    if isinstance(value, OverTime):
        counts: Counter[tuple[str, int]] = Counter()
        for (name, start), count in value.counts.items():
            counts[one_line(name), start] += count
        return replace(value, title=one_line(value.title), counts=counts)
    if isinstance(value, Table) and len(value.rows) > _MOST_ROWS:
        more = f"{len(value.rows) - _MOST_ROWS:,} more rows are left out"
        note = f"{value.note}, {more}" if value.note else more
        return _cleaned(replace(value, rows=value.rows[:_MOST_ROWS], note=note))
    if is_dataclass(value) and not isinstance(value, type):
        return replace(
            value, **{part.name: _cleaned(getattr(value, part.name)) for part in fields(value)}
        )
    if isinstance(value, (list, tuple)):
        return [_cleaned(part) for part in value]
    return value


@cache
def _template() -> jinja2.Template:
    import jinja2  # noqa: PLC0415 - an optional extra

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("braze_mixpanel.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = lambda value: f"{value:,}"
    return environment.get_template("page.html.j2")
