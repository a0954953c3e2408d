"""Render the report of a run: plain data in, one self-contained HTML file out."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, is_dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.files.whole_file import WholeFile
from braze_mixpanel.settings.redaction import masked
from braze_mixpanel.stores.place import local_path

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

NEEDED: Final = ("jinja2", "vl_convert")
"""Modules of the extra `report`."""

INDEX: Final = "index.html"
"""The page in a folder of reports that leads to the others."""
_MOST_CHARACTERS: Final = 2000
"""Of one text of the page, such as the failure."""
_MOST_ROWS: Final = 1000
"""Of one table: users choose the names of custom events, and there is one row each."""


@dataclass(frozen=True)
class Link:
    """A text that leads to another file.

    Attributes:
        text: What is shown.
        href: A relative address or a `file://` URL; empty where a browser cannot open it.
    """

    text: str
    href: str = ""


Cell = str | int | float | Link


def link_to(where: str) -> Link:
    """Link a file or folder of this machine; of a store there is only the address to read."""
    path = local_path(where)
    return Link(where, "" if "://" in path else Path(path).absolute().as_uri())


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
        rows: The cells of each row; a column of numbers is aligned to the right.
        total: The cells of a last row in bold; empty for no such row.
        note: Shown beside the title.
        unbroken: Headings of columns whose cells stay on one line, such as ids.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] = ()
    note: str = ""
    unbroken: Sequence[str] = ()

    @property
    def numeric(self) -> list[bool]:
        """Whether each column holds numbers."""
        return [
            bool(self.rows) and all(isinstance(row[place], (int, float)) for row in self.rows)
            for place in range(len(self.headings))
        ]


@dataclass(frozen=True)
class Listing:
    """Texts or links with a label each.

    Attributes:
        title: Shown above.
        rows: Label and content.
    """

    title: str
    rows: Sequence[tuple[str, str | Link]]


def files_of_run(files: Mapping[str, str | None], settings: Mapping[str, Any]) -> list[Listing]:
    """List the files of a run with links.

    Args:
        files: Label → path or URL; empty or None for a file that was not written.
        settings: The plugin's settings: `summary_path` names one more file.

    Returns:
        Nothing if there are none.
    """
    all_files = {**files, "Summary as JSON": settings.get("summary_path")}
    rows = [(label, link_to(where)) for label, where in all_files.items() if where]
    return [Listing("Files of this run", rows)] if rows else []


@dataclass(frozen=True)
class OverTime:
    """Counts for the chart, see `chart.arrange`."""

    title: str
    counts: Mapping[tuple[str, int], int]
    width: int


@dataclass(frozen=True)
class Change:
    """How one group of people changes in a run.

    Attributes:
        name: Of the group.
        kept: Who was there and stays.
        added: Who enters.
        removed: Who leaves.
    """

    name: str
    kept: int
    added: int
    removed: int


@dataclass(frozen=True)
class Changes:
    """A bar for each group: who stays, enters and leaves."""

    title: str
    rows: Sequence[Change]

    @property
    def largest(self) -> int:
        """The length of the longest bar, at least 1."""
        return max([1, *(row.kept + row.added + row.removed for row in self.rows)])


@dataclass(frozen=True)
class Run:
    """One run of a trend.

    Attributes:
        label: When it was and how it ended.
        href: Its page.
        done: What it did, such as imported events.
        failed: What it could not do, such as rejected events.
        is_good: Whether it ended well.
        is_dry_run: Whether it only planned what it would do.
    """

    label: str
    href: str
    done: int
    failed: int
    is_good: bool
    is_dry_run: bool


@dataclass(frozen=True)
class Trend:
    """A column for each of the last runs, oldest first."""

    title: str
    runs: Sequence[Run]

    @property
    def largest(self) -> int:
        """The height of the highest column, at least 1."""
        return max([1, *(run.done + run.failed for run in self.runs)])

    @property
    def has_dry_runs(self) -> bool:
        """Whether one of them only planned what it would do."""
        return any(run.is_dry_run for run in self.runs)


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
        notes: Sentences, for example what an estimate rests on.
        plugin: Whose run it was; part of the name of a page that is kept.
        is_dry_run: Whether nothing was sent; the page says so first.
        lists: Above the charts: what was read, and the files that the run wrote.
        appendix: Long lists at the end.
        changes: The chart of groups, if there is one.
        trends: Charts of the last runs.
        done: What the run did, for the trend.
        failed: What it could not do, for the trend.
    """

    title: str
    facts: Sequence[str]
    status: str
    failure: str
    figures: Sequence[Figure]
    tables: Sequence[Table]
    over_time: OverTime | None = None
    notes: Sequence[str] = field(default=())
    plugin: str = ""
    is_dry_run: bool = False
    lists: Sequence[Listing] = field(default=())
    appendix: Sequence[Listing] = field(default=())
    changes: Changes | None = None
    trends: Sequence[Trend] = field(default=())
    done: int = 0
    failed: int = 0


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
            'pip install "braze-mixpanel[report]". In Meltano, write braze-mixpanel[report] in '
            "pip_url, and run meltano install."
        )
    return report_file(
        f"{report_path.rstrip('/')}/{INDEX}" if is_folder(report_path) else report_path
    ).problem()


def is_folder(report_path: str) -> bool:
    """Return whether reports are kept: the setting ends with a slash or is a folder."""
    return report_path.endswith("/") or ("://" not in report_path and Path(report_path).is_dir())


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


def render(page: Page, *, index: str = "") -> str:
    """Make the HTML.

    Args:
        page: Its content.
        index: The address of the page about all runs; empty if there is none.
    """
    from braze_mixpanel.report import chart  # noqa: PLC0415 - loads an XML parser

    page = cast("Page", _cleaned(page))
    bars = chart.arrange(page.over_time.counts, page.over_time.width) if page.over_time else None
    return _template().render(
        page=page,
        bars=bars,
        svg=chart.draw(bars) if bars else "",
        narrow_svg=chart.draw(bars, is_narrow=True) if bars else "",
        index=index,
        bar_width=chart.width_name(bars.width) if bars else "",
        period=chart.period(bars) if bars else "",
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
    environment.tests["link"] = lambda value: isinstance(value, Link)
    return environment.get_template("page.html.j2")
