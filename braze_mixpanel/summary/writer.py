"""Write the summary when a plugin's command ends, with or without an error."""

from __future__ import annotations

import json
import logging
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Protocol

from singer_sdk import typing as th

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.files.whole_file import WholeFile
from braze_mixpanel.settings.redaction import masked
from braze_mixpanel.summary.content import Course, RunFacts, summarize

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SUMMARY_PATH: th.Property[str] = th.Property(
    "summary_path",
    th.StringType,
    description=(
        "File for a summary of each run in JSON, or its URL in a store (s3://, gs://, abfs://): "
        "exit code, cause, counts, lag. The next run overwrites it."
    ),
)
_SHORT_RETRIES = {"max_retries": 3, "retry_timeout": 15}
"""A run that is stopped has little time left for its summary."""
_MOST_CHARACTERS = 2000
"""Of one text."""


class Summarized(Protocol):
    """A plugin, as far as its summary is concerned."""

    name: str

    @property
    def plugin_version(self) -> str:
        """The version of its package."""

    @property
    def config(self) -> Mapping[str, Any]:
        """Its settings."""

    def run_facts(self) -> RunFacts:
        """Return the facts that the plugin knows of its run, at any time."""


def summary_file(config: Mapping[str, Any]) -> WholeFile | None:
    """Return the file that `summary_path` names; None if it is not set.

    Args:
        config: The settings.
    """
    place, options = config.get("summary_path"), config.get("path_options")
    if not place or not isinstance(place, str):
        return None
    return WholeFile(
        place,
        setting="summary_path",
        what="The summary",
        content_type="application/json",
        options={"retry_config": _SHORT_RETRIES, **(options if isinstance(options, dict) else {})},
    )


def find_summary_problem(config: Mapping[str, Any]) -> str | None:
    """Find why the summary cannot be written, in one line; None if it can."""
    file = summary_file(config)
    return file.problem() if file else None


class SummaryWriter:
    """Write the summary of one command."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(timezone.utc)) -> None:
        """Note when the command began.

        Args:
            clock: The present time in UTC.
        """
        self._clock, self._began = clock, clock()

    def write(self, plugin: Summarized, exit_code: int, cause: str | None) -> None:
        """Write it if `summary_path` is set; a failure is a warning and changes no exit code.

        Args:
            plugin: What ran.
            exit_code: How the command ends.
            cause: Why it failed.
        """
        logger = logging.getLogger(plugin.name)
        try:
            file = summary_file(plugin.config)
            if file is None:
                return
            course = Course(
                plugin.name,
                plugin.plugin_version,
                self._began,
                self._clock(),
                exit_code,
                one_line(masked(cause), _MOST_CHARACTERS) if cause else None,
            )
            content = _cleaned(summarize(course, plugin.run_facts()))
            file.write(json.dumps(content, indent=1).encode() + b"\n")
        except Exception as error:  # noqa: BLE001 - whatever it is, the run is over
            logger.warning("No summary was written: %s", error)
            return
        logger.info("Summary of the run: %s", file.where)


def _cleaned(value: object) -> object:
    """Clean every text: names of cohorts and words of servers come from outside."""
    if isinstance(value, str):
        return one_line(masked(value), _MOST_CHARACTERS)
    if isinstance(value, dict):
        return {name: _cleaned(part) for name, part in value.items()}
    if isinstance(value, list):
        return [_cleaned(part) for part in value]
    return value
