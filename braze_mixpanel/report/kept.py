"""Keep the reports of all runs in a folder or a store, with a page about the last runs.

Each run adds a page and a small JSON file with its figures. Both are named by the time of the run.
The page about all runs is built again from these JSON files. So runs at the same time do not
disturb each other: at worst, the page lacks the other run until the next run.
"""

from __future__ import annotations

import json
import secrets
from datetime import timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.files.whole_file import WholeFile
from braze_mixpanel.report.page import INDEX, Figure, Link, Page, Run, Table, Trend, render
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.place import local_path
from braze_mixpanel.stores.use import Use

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_MOST_RUNS: Final = 50
"""The most runs on the page about all runs. The pages of older runs are kept."""
_END: Final = ".run.json"
_USE: Final = Use("report_path", "path_options", writes=True)


class KeptReports:
    """A folder of reports."""

    def __init__(self, folder: str, options: Mapping[str, Any] | None) -> None:
        """Keep what is needed; nothing is opened yet.

        Args:
            folder: Its path or URL.
            options: The setting `path_options`.
        """
        self._folder, self._options = folder.rstrip("/"), options or {}

    def add(self, page: Page, began: datetime, seconds: float) -> str:
        """Write the page of a run, and write the page about all runs again.

        Args:
            page: The run's page.
            began: When it began.
            seconds: How long it took.

        Returns:
            Where its page is.

        Raises:
            ConnectorError: It cannot be written.
        """
        moment = began.astimezone(timezone.utc)
        time = f"{moment:%Y%m%dT%H%M%S}.{moment.microsecond // 1000:03}Z"  # in order of time
        name = f"{time}-{page.plugin}-{secrets.token_hex(3)}"
        where = self._write(f"{name}.html", render(page, index=INDEX))
        facts = {
            "page": f"{name}.html",
            "plugin": page.plugin,
            "began": f"{began:%Y-%m-%d %H:%M:%S}",
            "seconds": round(seconds, 1),
            "status": page.status,
            "is_good": not page.failure,
            "is_dry_run": page.is_dry_run,
            "done": page.done,
            "failed": page.failed,
        }
        self._write(f"{name}{_END}", json.dumps(facts, indent=1), "application/json")
        self._write(INDEX, render(_index(self._last_runs())))
        return where

    def _last_runs(self) -> list[dict[str, Any]]:
        """Read the figures of the last runs, oldest first; what cannot be read is left out."""
        runs = []
        for name in sorted(name for name in self._names() if name.endswith(_END))[-_MOST_RUNS:]:
            try:
                runs.append(_checked(json.loads(self._read(name))))
            except (FileNotFoundError, ValueError, KeyError, TypeError):
                continue
        return runs

    def _write(self, name: str, text: str, content_type: str = "text/html; charset=utf-8") -> str:
        where = f"{self._folder}/{name}"
        WholeFile(
            where,
            setting=_USE.url,
            what="The report",
            content_type=content_type,
            options=self._options,
        ).write(text.encode())
        return where

    def _store(self) -> StoreFolder | None:
        is_store = "://" in self._folder and not self._folder.startswith("file:")
        return StoreFolder(self._folder, self._options, _USE) if is_store else None

    def _names(self) -> list[str]:
        store = self._store()
        if store is not None:
            return store.names()
        return [path.name for path in Path(local_path(self._folder)).iterdir()]

    def _read(self, name: str) -> bytes:
        store = self._store()
        return store.read(name) if store else Path(local_path(self._folder), name).read_bytes()


def _checked(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of a run with the types that the page needs; others may write files too."""
    page = str(facts["page"])
    if "/" in page or ":" in page:
        raise ValueError(page)
    return {
        **{name: str(facts[name]) for name in ("plugin", "began", "status")},
        **{name: max(0, int(facts[name])) for name in ("done", "failed")},
        **{name: bool(facts[name]) for name in ("is_good", "is_dry_run")},
        "page": page,
        "seconds": round(float(facts["seconds"]), 1),
    }


def _index(runs: list[dict[str, Any]]) -> Page:
    """Make the page about the last runs."""
    failed = [run for run in runs if not run["is_good"]]
    last = runs[-1]
    return Page(
        title="Runs",
        facts=[f"last begun {last['began']} UTC"],
        status=f"Last: {last['status']}",
        failure="" if last["is_good"] else "The last run failed: its page says why.",
        figures=[
            Figure("Runs", f"{len(runs):,}", "shown here"),
            Figure("Failed", f"{len(failed):,}", "of these", "bad" * bool(failed)),
        ],
        trends=[
            _trend(plugin, [run for run in runs if run["plugin"] == plugin])
            for plugin in sorted({run["plugin"] for run in runs})
        ],
        tables=[
            Table(
                title="Last runs",
                note="newest first",
                headings=("Begun, UTC", "Plugin", "End", "Done", "Rejected", "Seconds"),
                rows=[
                    (
                        Link(run["began"], run["page"]),
                        run["plugin"],
                        _ending(run),
                        run["done"],
                        run["failed"],
                        run["seconds"],
                    )
                    for run in reversed(runs)
                ],
                unbroken=("Begun, UTC", "Plugin"),
            )
        ],
    )


def _ending(run: Mapping[str, Any]) -> str:
    return str(run["status"]) + (", dry run" if run["is_dry_run"] else "")


def _trend(plugin: str, runs: list[dict[str, Any]]) -> Trend:
    return Trend(
        title=plugin,
        runs=[
            Run(
                label=f"{run['began']} UTC: {_ending(run)}, {run['done']:,} done, "
                f"{run['failed']:,} rejected",
                href=run["page"],
                done=run["done"],
                failed=run["failed"],
                is_good=run["is_good"],
                is_dry_run=run["is_dry_run"],
            )
            for run in runs
        ],
    )
