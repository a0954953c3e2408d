"""The settings of tap-mixpanel-cohorts, and what a schema cannot say of them."""

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
        description="Id of the Mixpanel project; needed with a service account.",
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
        "Ids or names of the cohorts to read; all if not given. Others cost no query.",
    ),
    th.Property(
        "profile_properties",
        th.ArrayType(th.StringType),
        default=[],
        description=(
            "Profile properties that each member record carries besides distinct_id, such as "
            '["$braze_external_id"].'
        ),
    ),
    th.Property(
        "page_size",
        th.IntegerType(minimum=1, maximum=100_000),
        default=10_000,
        description="Members a page to ask the query API for; what its answer says counts.",
    ),
    th.Property(
        "query_budget",
        th.IntegerType(minimum=1),
        default=60,
        description="Queries an hour that the tap may ask, kept over runs in STATE.",
    ),
    shared.retry_seconds(
        "How long a limit, a spent budget or a failure is waited out before the run ends "
        "with what is complete."
    ),
    th.Property(
        "inbox_db",
        th.StringType,
        secret=True,
        description=(
            "SQLAlchemy URL of the database of mixpanel-cohort-inbox: read what Mixpanel pushed, "
            "and ask the query API nothing."
        ),
    ),
    SUMMARY_PATH,
    PATH_OPTIONS,
).to_dict()


def find_problems(config: Mapping[str, Any]) -> list[str]:
    """Find what the schema cannot say.

    Args:
        config: The settings.

    Returns:
        One line for each mistake.
    """
    return [*_credentials(config), *_values(config)]


def _credentials(config: Mapping[str, Any]) -> list[str]:
    account = [name for name in _ACCOUNT[:2] if config.get(name)]
    secret = bool(config.get("api_secret"))
    if config.get("inbox_db"):
        return []  # credentials of the query API may be set beside it and are not used
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
            "machine itself, and name a host and, perhaps, a port: credentials and people's ids go "
            "there."
        )
    names = config.get("profile_properties") or []
    problems += [
        f"Setting profile_properties is wrong: {name} is a field that every record has already."
        for name in names
        if name in _OWN_FIELDS
    ]
    if len(set(names)) != len(names):
        problems.append("Setting profile_properties is wrong: it names a property twice.")
    if any(not str(name).strip() for name in names):
        problems.append("Setting profile_properties is wrong: it holds an empty name.")
    if any(not str(wanted).strip() for wanted in config.get("cohorts") or []):
        problems.append("Setting cohorts is wrong: it holds an empty name.")
    return problems
