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
    "Compare the newest files with the event types known here: new types and fields, types that "
    "stopped or are not selected. Reads little, writes nothing but a table, and ends."
)


class SurveyedTap(Protocol):
    """What the command needs of a tap."""

    @property
    def bucket(self) -> Bucket:
        """The bucket that `storage_url` names."""

    def now(self) -> datetime:
        """Return the present time."""


def changes_option(make_tap: Callable[..., SurveyedTap]) -> click.Option:
    """Make the option.

    Args:
        make_tap: The tap's class.
    """

    def run(ctx: click.Context, _: click.Parameter, is_given: bool) -> None:  # noqa: FBT001
        if is_given:
            tap = make_tap(**options_of_config(ctx), setup_mapper=False)
            selection = meltano_selection(os.environ)
            print_changes(tap, _selected(ctx) if selection is None else selection)
            ctx.exit()

    return click.Option(["--changes"], is_flag=True, expose_value=False, callback=run, help=HELP)


def print_changes(tap: SurveyedTap, selected: Container[str] | None) -> None:
    """Write the report to standard output.

    Args:
        tap: With its settings.
        selected: The selected streams; None if all are.

    Raises:
        ConnectorError: The bucket cannot be listed, or one of its newest files cannot be read. The
            others are in the report all the same.
    """
    with ThreadPoolExecutor(THREADS, "changes") as pool:
        report = Survey(tap.bucket, tap.now(), pool).report(selected)
    click.echo(report.text)
    if report.errors:
        first, *others = report.errors
        more = f" The same goes for {len(others)} more newest files." if others else ""
        raise InputError(f"{first}{more} The report is without the fields of this type.")


def _selected(ctx: click.Context) -> frozenset[str] | None:
    """Return the streams that the catalog selects; None without a catalog."""
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
    """Return whether a stream is selected, as the SDK decides: yes, unless the catalog says no."""
    for metadata in entry.get("metadata", []):
        if not metadata.get("breadcrumb"):
            values = metadata.get("metadata", {})
            default = values.get("selected-by-default", True)
            return bool(values.get("selected", default))
    return bool(entry.get("selected", True))
