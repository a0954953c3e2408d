"""The option `--changes` of the tap's command."""

from __future__ import annotations

import json
import os
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Protocol

import click

from braze_mixpanel.errors import InputError
from braze_mixpanel.sdk import options_of_config
from tap_braze_currents.catalog.meltano_selection import meltano_selection
from tap_braze_currents.changes.survey import Survey

if TYPE_CHECKING:
    from collections.abc import Callable, Container
    from datetime import datetime

    from tap_braze_currents.bucket.store import Bucket

THREADS = 16
HELP = (
    "Compare the newest files with the known event types, and print a table of new types and "
    "fields and of types that stopped or are not selected. Reads few files and emits no records."
)


class SurveyedTap(Protocol):
    """The parts of the tap that the command uses."""

    @property
    def bucket(self) -> Bucket:
        """The bucket that `storage_url` names."""

    def now(self) -> datetime:
        """Return the present time in UTC."""


def changes_option(make_tap: Callable[..., SurveyedTap]) -> click.Option:
    """Return the option `--changes`.

    Args:
        make_tap: The class of the tap.
    """

    def run(ctx: click.Context) -> None:
        tap = make_tap(**options_of_config(ctx), setup_mapper=False)
        selection = meltano_selection(os.environ)
        print_changes(tap, _selected(ctx) if selection is None else selection)
        ctx.exit()

    return click.Option(
        ["--changes"],
        is_flag=True,
        expose_value=False,
        callback=lambda ctx, _, is_given: run(ctx) if is_given else None,
        help=HELP,
    )


def print_changes(tap: SurveyedTap, selected: Container[str] | None) -> None:
    """Write the report to standard output.

    Args:
        tap: The tap with its settings.
        selected: The ids of the selected streams, or None if all are selected.

    Raises:
        ConnectorError: The bucket cannot be listed, or one of its newest files cannot be read. In
            the second case the report was written first, with the other files.
    """
    with ThreadPoolExecutor(THREADS, "changes") as pool:
        report = Survey(tap.bucket, tap.now(), pool).report(selected)
    click.echo(report.text)
    if report.errors:
        first, *others = report.errors
        more = f" {len(others)} more of the newest files cannot be read." if others else ""
        raise InputError(f"{first}{more} The report lacks the fields of these files.")


def _selected(ctx: click.Context) -> frozenset[str] | None:
    """Return the streams that the catalog selects, or None if no catalog is given."""
    file = ctx.params.get("catalog")
    if file is None:
        return None
    catalog: dict[str, Any] = json.load(file)
    return frozenset(
        entry.get("tap_stream_id") or entry["stream"]
        for entry in catalog.get("streams", [])
        if _is_selected(entry)
    )


def _is_selected(entry: dict[str, Any]) -> bool:
    """Return whether a stream is selected. As in the SDK, it is unless the catalog deselects it."""
    for metadata in entry.get("metadata", []):
        if not metadata.get("breadcrumb"):
            values = metadata.get("metadata", {})
            default = values.get("selected-by-default", True)
            return bool(values.get("selected", default))
    return bool(entry.get("selected", True))
