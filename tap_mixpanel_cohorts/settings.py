"""The settings of tap-mixpanel-cohorts, and the checks that a JSON Schema cannot express."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

from braze_mixpanel.files.place_settings import PATH_OPTIONS
from braze_mixpanel.http.safe_url import is_safe_url
from braze_mixpanel.settings import shared
from braze_mixpanel.summary.writer import SUMMARY_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTS: Final = {
    "us": "https://mixpanel.com",
    "eu": "https://eu.mixpanel.com",
    "in": "https://in.mixpanel.com",
}
_OWN_FIELDS: Final = ("cohort_id", "distinct_id", "should_remove")
_ACCOUNT: Final = ("service_account_username", "service_account_password", "project_id")

SCHEMA: Final[dict[str, Any]] = th.PropertiesList(
    *shared.SERVICE_ACCOUNT,
    th.Property(
        "project_id",
        th.CustomType({"type": ["string", "integer", "null"]}),
        description="Id of the Mixpanel project. Required with a service account.",
    ),
    th.Property(
        "workspace_id",
        th.CustomType({"type": ["string", "integer", "null"]}),
        description="Id of the global data view, in projects with data views.",
    ),
    shared.API_SECRET,
    *shared.mixpanel_address(HOSTS),
    shared.ids_or_names(
        "cohorts",
        "Ids or names of the cohorts to read. By default all. Other cohorts cost no query.",
    ),
    th.Property(
        "profile_properties",
        th.ArrayType(th.StringType),
        default=[],
        description=(
            "Profile properties to add to each member record besides distinct_id, such as "
            '["$braze_external_id"].'
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=100_000),
        default=10_000,
        description="Members to ask for in one page of the query API. Mixpanel may send fewer.",
    ),
    th.Property(
        "query_budget",
        th.IntegerType(minimum=1),
        default=60,
        description="Most queries in an hour. STATE keeps the count from run to run.",
    ),
    shared.retry_seconds(
        "How long to wait for a rate limit, a spent budget or a failure. Then the run ends, and "
        "the cohorts that are complete have been sent."
    ),
    th.Property(
        "inbox_db",
        th.StringType,
        secret=True,
        description=(
            "SQLAlchemy URL of the database of mixpanel-cohort-inbox. With it, the tap reads what "
            "Mixpanel pushed, and sends no query."
        ),
    ),
    SUMMARY_PATH,
    PATH_OPTIONS,
).to_dict()


def find_problems(config: Mapping[str, Any]) -> list[str]:
    """Return the mistakes in the settings that the JSON Schema cannot find.

    Args:
        config: The settings.

    Returns:
        One message for each mistake.
    """
    return [*_credentials(config), *_values(config)]


def _credentials(config: Mapping[str, Any]) -> list[str]:
    account = [name for name in _ACCOUNT[:2] if config.get(name)]
    secret = bool(config.get("api_secret"))
    if config.get("inbox_db"):
        return []  # credentials of the query API may be set too, but are not used
    if account and secret:
        return ["A service account and api_secret are both set: remove api_secret."]
    if secret:
        return []
    missing = [name for name in _ACCOUNT if not config.get(name)]
    if not account:
        return [
            (
                "No source is set: set service_account_username, service_account_password and "
                "project_id for the query API, or inbox_db for what mixpanel-cohort-inbox received."
            )
        ]
    return [f"Setting {name} is missing: a service account needs it." for name in missing]


def _values(config: Mapping[str, Any]) -> list[str]:
    problems = []
    url = config.get("api_url")
    if url and not is_safe_url(url):
        problems.append(
            "Setting api_url is wrong: it must begin with https://, or with http:// for this "
            "machine itself, and hold only a host and, if needed, a port: credentials and people's "
            "ids are sent there."
        )
    names = config.get("profile_properties") or []
    problems += [
        f"Setting profile_properties is wrong: {name} is a field that every record has already."
        for name in names
        if name in _OWN_FIELDS
    ]
    if len(set(names)) != len(names):
        problems.append("Setting profile_properties is wrong: it holds a property twice.")
    if any(not str(name).strip() for name in names):
        problems.append("Setting profile_properties is wrong: it holds an empty name.")
    if any(not str(wanted).strip() for wanted in config.get("cohorts") or []):
        problems.append("Setting cohorts is wrong: it holds an empty name.")
    return problems
