"""The settings of tap-braze-currents, and the checks that a JSON Schema cannot express."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from braze_mixpanel.files.place_settings import PATH_OPTIONS
from braze_mixpanel.summary.writer import SUMMARY_PATH
from braze_mixpanel.times import read_time

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

SCHEMA: Final[dict[str, Any]] = th.PropertiesList(
    th.Property(
        "storage_url",
        th.StringType(nullable=False),
        required=True,
        title="Storage URL",
        description="The Currents prefix: s3://, gs://, abfs:// or az://, file:// or a path; "
        "the folder that holds dataexport.….integration.… folders, or any folder of files.",
    ),
    th.Property(
        "storage_options",
        th.ObjectType(additional_properties=True),
        default={},
        secret=True,
        title="Storage options",
        description="Credentials and endpoint of the store: key, secret, endpoint_url, …",
    ),
    th.Property(
        "start_date",
        th.StringType,
        title="Start date",
        description="First hour to read: an ISO date or datetime, UTC.",
    ),
    th.Property(
        "end_date",
        th.StringType,
        title="End date",
        description="First hour not to read: an ISO date or datetime, UTC.",
    ),
    th.Property(
        "lookback_hours",
        th.IntegerType(minimum=0, maximum=87_600),
        default=48,
        title="Lookback hours",
        description="How many hours an hour folder stays open for files that arrive late.",
    ),
    th.Property(
        "settle_seconds",
        th.IntegerType(minimum=0, maximum=31_536_000),
        default=60,
        title="Settle seconds",
        description="Objects younger than this wait for the next run. 0: no object waits.",
    ),
    th.Property(
        "max_files_per_run",
        th.IntegerType(minimum=1),
        title="Max files per run",
        description="The most files that one run reads, over all streams, oldest hours first "
        "(a sweep reads all).",
    ),
    th.Property(
        "sweep",
        th.BooleanType,
        default=False,
        title="Sweep",
        description="Also look for files that arrived after their hour was closed. This lists "
        "every hour since start_date, so use it now and then, not in every run.",
    ),
    SUMMARY_PATH,
    PATH_OPTIONS,
).to_dict()


def find_mistakes(config: Mapping[str, Any]) -> list[str]:
    """Check that `start_date` and `end_date` are dates.

    Args:
        config: The settings.

    Returns:
        One message for each wrong setting.
    """
    mistakes = []
    for name in ("start_date", "end_date"):
        try:
            moment(config.get(name))
        except ValueError:
            mistakes.append(
                f"Setting {name} is wrong: {config[name]!r} is not an ISO date or datetime. "
                "Write 2026-11-01 or 2026-11-01T13:00:00Z."
            )
    return mistakes


def moment(text: str | None) -> datetime | None:
    """Return a date setting as a datetime in UTC, or None if it is not set.

    Raises:
        ValueError: The text is neither an ISO date nor an ISO datetime.
    """
    return read_time(text) if text else None
