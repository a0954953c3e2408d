"""Raise an error if the input has none of the streams, cohorts and fields in the settings.

Without this check, such a run would do nothing and end with success, and nobody would notice that
nothing is ever delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import InputError, SettingsError
from target_braze_cohorts.settings.changes_stream import changes_stream

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from target_braze_cohorts.intake.cohort_records import Intake
    from target_braze_cohorts.planning.changes import KnownList


def require_something(
    config: Mapping[str, Any],
    intake: Intake,
    *,
    streams: Collection[str],
    known: Collection[KnownList],
) -> None:
    """Raise if the input does not match the settings. A source without cohorts does match.

    Args:
        config: The settings of the target.
        intake: The cohorts and the evidence of the input.
        streams: The streams with a SCHEMA in the input, by the tap's names.
        known: The lists of earlier runs. If none of their cohorts is in the input, the cohorts have
            vanished from the source, or have no changes.

    Raises:
        InputError: The input is empty.
        SettingsError: The input has none of the streams, cohorts or fields in the settings.
    """
    _require_streams(config, intake, streams)
    _require_cohorts(config, intake, known)


def _require_streams(config: Mapping[str, Any], intake: Intake, streams: Collection[str]) -> None:
    """Require streams that the settings name, and profiles with the property that they name."""
    if not streams:
        raise InputError(
            "The input is empty, without even a SCHEMA message. Did the tap start, and is a "
            "stream selected? Nothing was sent."
        )
    if not (
        intake.cohorts_evidence.began
        or intake.members_evidence.began
        or intake.changes_evidence.began
    ):
        raise SettingsError(
            f"The input has neither the stream {config['cohorts_stream']} nor "
            f"{config['members_stream']}, but {_some(streams)}. Select them in the tap, or set "
            "cohorts_stream and members_stream to the tap's names. Nothing was sent."
        )
    if intake.has_only_profiles_without_id:
        raise SettingsError(
            f"No profile has the property {config['external_id_property']}. Check the spelling of "
            "external_id_property, and that the tap selects that property (you may have to run its "
            "discovery again). Nothing was sent."
        )


def _require_cohorts(
    config: Mapping[str, Any], intake: Intake, known: Collection[KnownList]
) -> None:
    """Require a cohort, in the input or of an earlier run, unless the source has none."""
    if intake.cohorts or any(intake.is_selected(one.cohort_id) for one in known):
        return
    if intake.passed_over:
        raise SettingsError(
            f"None of the cohorts in the input is in cohort_ids. The input has: "
            f"{_some(intake.passed_over)}. Fix cohort_ids, or run again if the tap ended early. "
            "Nothing was sent."
        )
    if intake.has_records and not known:
        raise SettingsError(
            f"No record has a cohort's id: not in {config['cohort_id_field']} of stream "
            f"{config['cohorts_stream']}, nor in {config['member_cohort_id_field']} of stream "
            f"{config['members_stream']}. Set cohort_id_field and member_cohort_id_field. Nothing "
            "was sent."
        )


def missing_cohorts(
    config: Mapping[str, Any], intake: Intake, known: Collection[KnownList]
) -> list[str]:
    """Return the ids and names in the setting `cohort_ids` that the source has never had.

    The result is empty if the source does not list its cohorts: an empty cohort has no member
    records, and a cohort without changes is not in a stream of changes.
    """
    changes = changes_stream(config)
    if changes.in_members or intake.changes_evidence.began or not intake.cohorts_evidence.began:
        return []
    there = {*intake.cohorts, *(one.cohort_id for one in known)}
    there |= {cohort.name for cohort in intake.cohorts.values() if cohort.name}
    there |= {one.cohort_name for one in known}
    return sorted({str(value) for value in config.get("cohort_ids") or ()} - there)


def _some(names: Collection[str], most: int = 5) -> str:
    """Return the first few names, followed by … if there are more."""
    found = sorted(names)
    return ", ".join(found[:most]) + (", …" if len(found) > most else "")
