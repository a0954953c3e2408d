"""A page about a run: plain data in, one HTML file out that loads nothing."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.private_files import find_folder_problem
from braze_mixpanel.report import chart

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import jinja2

NEEDED: Final = ("jinja2", "vl_convert")
"""Modules of the extra `report`."""

Cell = str | int


@dataclass(frozen=True)
class Figure:
    """One number of the summary: what it is, the number, and what else to know about it."""

    label: str
    value: str
    note: str = ""
    tone: str = ""
    """`good`, `bad` or neither."""


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: Above it.
        headings: Of its columns.
        rows: As many cells each; a column of whole numbers stands to the right.
        total: A last line in bold, or none.
        note: Beside the title.
    """

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    total: Sequence[Cell] = ()
    note: str = ""

    @property
    def numeric(self) -> list[bool]:
        """Tell for each column whether it holds numbers."""
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
    """What the page says, from the top.

    Attributes:
        title: What ran.
        facts: Short texts beneath it: when, where to.
        status: How it ended, in a word or two.
        failure: Why it failed, in a line; empty if it did not.
        figures: The summary.
        over_time: The chart, if there is one.
        tables: What follows.
        notes: Sentences such as where the dead letter lies.
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
    """Look before the run whether its report can be written.

    Args:
        report_path: The setting; None if no report is wanted.

    Returns:
        What is wrong, in one line; None if nothing is.
    """
    if not report_path:
        return None
    if not all(map(find_spec, NEEDED)):
        return (
            "Setting report_path needs libraries that are not installed: "
            'pip install "braze-mixpanel[report]"'
        )
    path = Path(report_path)
    if path.is_dir():
        return f"Setting report_path is wrong: {path} is a folder; give the name of a file."
    return find_folder_problem("report_path", path.parent)


def render(page: Page) -> str:
    """Make the HTML."""
    bars = chart.arrange(page.over_time.counts, page.over_time.width) if page.over_time else None
    return _template().render(
        page=page,
        bars=bars,
        svg=chart.draw(bars) if bars else "",
        bar_width=chart.width_name(bars.width) if bars else "",
    )


def write(page: Page, report_path: str) -> None:
    """Write the page in place of the last run's, readable by its owner only.

    Raises:
        SettingsError: The file cannot be written.
    """
    html, path = render(page), Path(report_path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(html)
            Path(temporary).replace(path)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise SettingsError(
            f"The report {path} cannot be written: {error.strerror or error}. Give a file in a "
            "writable folder with free space in report_path."
        ) from error


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
