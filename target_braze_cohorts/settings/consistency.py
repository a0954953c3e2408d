"""Check what the JSON Schema of the settings cannot express. Pure, except for checks of folders."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.place_settings import find_place_problem
from braze_mixpanel.report.page import find_report_problem
from braze_mixpanel.settings.reading import parse_ratio
from target_braze_cohorts.settings import definitions as settings
from target_braze_cohorts.settings.changes_stream import changes_stream
from target_braze_cohorts.settings.identifier_kinds import (
    ALIAS,
    ONLY_IN_ATTRIBUTES,
    ONLY_IN_COHORTS,
)
from target_braze_cohorts.settings.identifier_property import is_joined
from target_braze_cohorts.settings.instances import endpoint

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CREDENTIALS = {
    settings.COHORT: ("data_import_key", "partner_api_key"),
    settings.ATTRIBUTE: ("api_key",),
}


def find_problems(config: Mapping[str, Any]) -> list[str]:
    """Find settings that need or exclude each other, and values that cannot be used.

    Args:
        config: Settings that are valid by the schema.

    Returns:
        One message for each mistake: the setting, what is wrong, and what to write instead.
    """
    unwritable = (
        find_place_problem("dead_letter_path", config),
        find_place_problem("dry_run_path", config) if config["dry_run"] else None,
        find_report_problem(config.get("report_path")),
    )
    return [*_values(config), *_identity(config), *filter(None, unwritable)]


def default_delivery(config: Mapping[str, Any]) -> str:
    """Return the delivery for the credentials that are set.

    Args:
        config: The settings, without `delivery`.

    Returns:
        `attribute` if `api_key` is the only credential, else `cohort`.
    """
    has_cohort_key = any(config.get(name) for name in CREDENTIALS[settings.COHORT])
    has_api_key = bool(config.get("api_key"))
    return settings.ATTRIBUTE if has_api_key and not has_cohort_key else settings.COHORT


def missing_credentials(config: Mapping[str, Any]) -> list[str]:
    """Return the credentials settings of the chosen delivery that are not set."""
    return [name for name in CREDENTIALS[config["delivery"]] if not config.get(name)]


def _values(config: Mapping[str, Any]) -> Iterator[str]:
    try:
        endpoint(config.get("instance"), config.get("rest_endpoint"))
    except SettingsError as error:
        yield str(error)
    try:
        parse_ratio(config["max_removal_ratio"])
    except ValueError:
        yield "Setting max_removal_ratio is wrong: it must be a number from 0 to 1."
    names = [name for names in CREDENTIALS.values() for name in names]
    if not (config["dry_run"] or any(config.get(name) for name in names)):
        yield (
            "No Braze credentials: set api_key, a REST API key with the permission users.track, "
            "or data_import_key and partner_api_key if you have a partner key."
        )
    if not config["dry_run"]:
        for name in missing_credentials(config):
            meaning = settings.SCHEMA["properties"][name]["description"]
            yield f"Setting {name} is missing: delivery {config['delivery']} needs it. {meaning}"
    for name in CREDENTIALS[config["delivery"]]:
        value = config.get(name) or ""
        if value != value.strip():
            yield f"Setting {name} is wrong: it begins or ends with white space. Copy it again."


def _identity(config: Mapping[str, Any]) -> Iterator[str]:
    identifier = config["identifier"]
    if identifier in ONLY_IN_COHORTS and config["delivery"] == settings.ATTRIBUTE:
        yield f"Setting identifier is wrong: /users/track does not know {identifier}."
    if identifier in ONLY_IN_ATTRIBUTES and config["delivery"] == settings.COHORT:
        yield (
            f"Setting identifier is wrong: Braze's cohort import does not know {identifier}. Set "
            "delivery to attribute, with api_key, or identifier to external_id."
        )
    if identifier == ALIAS and not (config.get("alias_label") or config.get("alias_label_field")):
        yield "Setting identifier alias needs alias_label or alias_label_field."
    if changes_stream(config).in_members and is_joined(config):
        yield (
            "Setting external_id_property is wrong: with changes_stream true it is distinct_id, "
            "because a member whose profile comes later would be lost."
        )
    if identifier == ALIAS and is_joined(config):
        yield (
            "Setting external_id_property is wrong: with identifier alias it must be distinct_id, "
            "because profiles are joined by a member's id and give no alias. Set one of the two."
        )
