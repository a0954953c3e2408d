"""The settings of target-mixpanel, as `--about` and Meltano show them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.place_settings import PATH_OPTIONS, find_place_problem
from braze_mixpanel.report.page import find_report_problem
from braze_mixpanel.report.writer import REPORT_PATH
from braze_mixpanel.settings import shared
from braze_mixpanel.settings.reading import parse_ratio
from braze_mixpanel.singer.currents_streams import stream_id
from braze_mixpanel.summary.writer import SUMMARY_PATH
from braze_mixpanel.times import read_time
from target_mixpanel.mapping.currents import ANONYMOUS_CHOICES, TEST_EVENT_CHOICES
from target_mixpanel.sending.client import REGIONS, base_url
from target_mixpanel.sending.credentials import CREDENTIAL_SETTINGS, choose_credentials

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MIN_EVENT_TIME: Final = "2010-01-01"
"""Mixpanel keeps no older events: it drops them at import."""
MAX_BATCH_SIZE: Final = 2000
"""The most events that `/import` accepts in one request (Mixpanel's reference of `/import`)."""
MAX_BATCH_BYTES: Final = 10_000_000
"""The most bytes of a request's body before compression (same source)."""
PROPERTY_SETS: Final = ("documented", "all")

SCHEMA: Final[dict[str, Any]] = th.PropertiesList(
    *shared.SERVICE_ACCOUNT,
    th.Property(
        "project_id",
        th.CustomType({"type": ["string", "integer", "null"]}),
        description="Id of the Mixpanel project. Required with a service account.",
    ),
    th.Property(
        "project_token",
        th.StringType,
        description=(
            "Token of the project. It works as credentials, and is also sent as the property token."
        ),
    ),
    shared.API_SECRET,
    *shared.mixpanel_address(REGIONS),
    th.Property(
        "anonymous_events",
        th.StringType,
        default="skip",
        allowed_values=list(ANONYMOUS_CHOICES),
        description=(
            "Events without an external id: skip them as Braze's own connector does, identify them "
            "by device_id or by braze_id, or send them with an empty distinct_id (nobody)."
        ),
    ),
    th.Property(
        "test_events",
        th.StringType,
        default="skip",
        allowed_values=list(TEST_EVENT_CHOICES),
        description=(
            "Events from Braze's Send Test Events, which have placeholders such as "
            "external_user_id: skip and count them, or send them."
        ),
    ),
    th.Property(
        "min_event_time",
        th.StringType,
        default=DEFAULT_MIN_EVENT_TIME,
        description="Older events are left out and counted (date or date-time, UTC).",
    ),
    th.Property(
        "property_set",
        th.StringType,
        default="documented",
        allowed_values=list(PROPERTY_SETS),
        description="Send the properties that Braze documents for Mixpanel, or all fields.",
    ),
    th.Property(
        "event_names",
        th.ObjectType(additional_properties=th.StringType),
        default={},
        description="Other Mixpanel event names, by Braze event type or stream.",
    ),
    th.Property(
        "streams",
        th.ObjectType(
            additional_properties=th.ObjectType(
                th.Property("event", th.StringType, required=True),
                th.Property("distinct_id", th.StringType),
                th.Property("time", th.StringType, required=True),
                th.Property("insert_id", th.StringType),
                additional_properties=False,
            )
        ),
        default={},
        description=(
            "Streams of other taps. For each stream: the event name (or the field that holds it), "
            "and the fields for distinct_id, time and insert_id."
        ),
    ),
    th.Property(
        "batch_size",
        th.IntegerType(minimum=1, maximum=MAX_BATCH_SIZE),
        default=MAX_BATCH_SIZE,
        description="Most events in one request.",
    ),
    th.Property(
        "batch_bytes",
        th.IntegerType(minimum=1, maximum=MAX_BATCH_BYTES),
        default=2_000_000,
        description="Most bytes of one request, before compression.",
    ),
    th.Property(
        "concurrency",
        th.IntegerType(minimum=1, maximum=64),
        default=32,
        description=(
            "Most requests in flight. The number adapts to Mixpanel: it rises while answers stay "
            "fast, and falls when Mixpanel limits the rate, fails or becomes slower."
        ),
    ),
    shared.retry_seconds(
        "How long one batch is retried when Mixpanel limits the rate or does not answer."
    ),
    th.Property(
        "dead_letter_path",
        th.StringType,
        default="dead_letter",
        description=(
            "Folder for rejected records with the reason, or its URL in a store "
            "(s3://, gs://, abfs://)."
        ),
    ),
    shared.ratio(
        "max_rejected_ratio",
        0.1,
        "The run fails when more than this share of the events is rejected (0 to 1).",
    ),
    th.Property(
        "dry_run",
        th.BooleanType,
        default=False,
        description="Write the events to dry_run_path instead of sending them.",
    ),
    th.Property(
        "dry_run_path",
        th.StringType,
        default="dry_run",
        description="Folder for the files of a dry run, with one event on each line, or its URL in "
        "a store.",
    ),
    REPORT_PATH,
    SUMMARY_PATH,
    PATH_OPTIONS,
).to_dict()


def parse_min_event_time(text: str) -> float:
    """Return the setting `min_event_time` as UNIX seconds.

    Raises:
        ValueError: The text is not an ISO 8601 date or date-time.
    """
    return read_time(text).timestamp()


def find_mistakes(config: Mapping[str, Any]) -> list[str]:
    """Find the mistakes in the settings that the schema cannot describe.

    Args:
        config: The settings, which the schema accepts.

    Returns:
        One message for each mistake: the setting, what is wrong, and what to write instead.
    """
    mistakes = []
    for name, parse in (
        ("min_event_time", parse_min_event_time),
        ("max_rejected_ratio", parse_ratio),
    ):
        try:
            parse(config[name])
        except ValueError:
            meaning = SCHEMA["properties"][name]["description"]
            mistakes.append(f"Setting {name} is wrong: {config[name]!r}. {meaning}")
    mistakes += [
        f"Setting {name} is wrong: it begins or ends with white space. Copy it again."
        for name in CREDENTIAL_SETTINGS
        if (value := str(config.get(name) or "")) != value.strip()
    ]
    names = Counter(stream_id(name) for name in config["event_names"])
    mistakes += [
        f"Setting event_names is wrong: it has {name} twice, as event type and as stream."
        for name, count in names.items()
        if count > 1
    ]
    try:
        base_url(config["region"], config.get("api_url"))
        if not config["dry_run"]:
            choose_credentials(config)
    except SettingsError as error:
        mistakes.append(str(error))
    folder = "dry_run_path" if config["dry_run"] else "dead_letter_path"
    unwritable = (
        find_place_problem(folder, config),
        find_report_problem(config.get("report_path")),
    )
    return [*mistakes, *filter(None, unwritable)]
