"""Input that a run could only pass over: the settings look for something else than what came.

To end well there would pass STATE on, and nobody would learn that nothing is ever delivered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import InputError, SettingsError

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
    """Make sure that what came has to do with the settings; a source without cohorts is good.

    Args:
        config: The target's settings.
        intake: What came.
        streams: The streams whose SCHEMA came, as the tap calls them.
        known: What Braze was told of before: a cohort of these that does not come has vanished, or
            has no changes.

    Raises:
        InputError: Nothing came at all.
        SettingsError: None of the streams, cohorts or fields that the settings name came.
    """
    if not streams:
        raise InputError(
            "The input is empty: not even a SCHEMA message came. Did the tap start, and is a "
            "stream selected? Nothing was sent."
        )
    if not (intake.cohorts_evidence.began or intake.members_evidence.began):
        raise SettingsError(
            f"Neither the stream {config['cohorts_stream']} nor {config['members_stream']} came, "
            f"but {_some(streams)}. Select them in the tap, or set cohorts_stream and "
            "members_stream to what it calls them. Nothing was sent."
        )
    if intake.has_only_profiles_without_id:
        raise SettingsError(
            f"No profile has the property {config['external_id_property']}. Check the spelling of "
            "external_id_property, and that the tap selects that property (its catalog may have to "
            "be made anew). Nothing was sent."
        )
    if intake.cohorts or any(intake.is_selected(one.cohort_id) for one in known):
        return
    if intake.passed_over:
        raise SettingsError(
            f"None of the cohorts that came is in cohort_ids. Came: {_some(intake.passed_over)}. "
            "Mend cohort_ids, or run again if the tap ended early. Nothing was sent."
        )
    if intake.has_records and not known:
        raise SettingsError(
            f"No record has a cohort's id: not in {config['cohort_id_field']} of stream "
            f"{config['cohorts_stream']}, nor in {config['member_cohort_id_field']} of stream "
            f"{config['members_stream']}. Set cohort_id_field and member_cohort_id_field. Nothing "
            "was sent."
        )


def _some(names: Collection[str], most: int = 5) -> str:
    """Name a few, and say that there are more."""
    found = sorted(names)
    return ", ".join(found[:most]) + (", …" if len(found) > most else "")
