"""Writes the report when a run ends, with or without an error."""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from braze_mixpanel.errors import ConnectorError, StoppedError
from braze_mixpanel.report.page import is_folder, render, report_file
from braze_mixpanel.settings.redaction import masked

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping

    from braze_mixpanel.report.page import Page

REPORT_PATH: th.Property[str] = th.Property(
    "report_path",
    th.StringType,
    description=(
        "File for a report of each run, or its URL in a store: one HTML page without event data or "
        'ids of people; needs pip install "braze-mixpanel[report]". The next run overwrites it. '
        "With a folder (a slash at the end), each run's page is kept, with a page about all runs."
    ),
)


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes:
        began: When it started.
        seconds: How long it took.
        status: The result, in one word.
        failure: Why it failed, in one line without secrets; empty if it did not.
    """

    began: datetime
    seconds: float
    status: str
    failure: str


class ReportWriter:
    """Writes the page of one run if `report_path` is set."""

    def __init__(
        self,
        settings: Mapping[str, Any],
        make_page: Callable[[Ending], Page],
        logger: logging.Logger,
    ) -> None:
        """Start the clock.

        Args:
            settings: The plugin's settings.
            make_page: Returns the page's content, called when the run has ended.
            logger: Logs where the report is.
        """
        self._path: str | None = settings.get("report_path")
        self._path_options = settings.get("path_options")
        self._make_page, self._logger = make_page, logger
        self._began, self._clock = datetime.now(timezone.utc), time.monotonic()

    @contextmanager
    def after(self, *, last_step: bool) -> Iterator[None]:
        """Write the report if the block fails, or if it is the run's last step.

        A report that cannot be written is a warning: it never fails a run that has delivered.
        """
        try:
            yield
        except BaseException as error:
            self._try_to_write(error)
            raise
        if last_step:
            self._try_to_write(None)

    def _try_to_write(self, error: BaseException | None) -> None:
        try:
            self._write(error)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as another:  # noqa: BLE001 - also a panic in the chart's Rust library
            why = str(another) or type(another).__name__
            self._logger.warning("No report was written: %s", why)

    def _write(self, error: BaseException | None) -> None:
        if not self._path:
            return
        ending = self._ending(error)
        page, where = self._make_page(ending), self._path
        if is_folder(where):
            from braze_mixpanel.report.kept import KeptReports  # noqa: PLC0415 - seldom needed

            reports = KeptReports(where, self._path_options)
            where = reports.add(page, ending.began, ending.seconds)
        else:
            report_file(where, self._path_options).write(render(page).encode())
        self._logger.info("Report of the run: %s", where)

    def _ending(self, error: BaseException | None) -> Ending:
        if error is None:
            status, failure = "Finished", ""
        elif isinstance(error, ConnectorError):
            status = "Stopped" if isinstance(error, StoppedError) else "Failed"
            failure = masked(str(error))
        else:
            status = "Failed"
            failure = f"Unexpected error, {type(error).__name__}: see the log."
        return Ending(self._began, time.monotonic() - self._clock, status, failure)


def duration(seconds: float) -> str:
    """Format a duration in the largest unit it fills: `0.4 s`, `3.3 min`, `15.7 h`, `1.2 d`."""
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds / size:,.1f} {unit}"
    return f"{seconds:.1f} s"
