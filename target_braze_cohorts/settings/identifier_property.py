"""Reads the setting `external_id_property`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze_cohorts.settings.definitions import DISTINCT_ID

if TYPE_CHECKING:
    from collections.abc import Mapping


def is_joined(config: Mapping[str, Any]) -> bool:
    """Return whether, by the settings, identifiers come from a property and not from member ids."""
    return bool(config["external_id_property"] != DISTINCT_ID)


def profile_fields(name: str) -> tuple[str, ...]:
    """Return the fields that may hold a profile property.

    tap-mixpanel writes a leading `$` as `mp_reserved_`.
    """
    return (name, f"mp_reserved_{name[1:]}") if name.startswith("$") else (name,)
