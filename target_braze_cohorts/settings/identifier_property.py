"""Read the setting `external_id_property`. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from target_braze_cohorts.settings.definitions import DISTINCT_ID

if TYPE_CHECKING:
    from collections.abc import Mapping

_RESERVED: Final = "mp_reserved_"


def is_joined(config: Mapping[str, Any]) -> bool:
    """Return whether identifiers come from a profile property, and not from member ids."""
    return bool(config["external_id_property"] != DISTINCT_ID)


def profile_fields(name: str) -> tuple[str, ...]:
    """Return the fields that may hold a profile property.

    The public tap-mixpanel writes a leading `$` as `mp_reserved_`. tap-mixpanel-cohorts does not.
    Both spellings of the setting work with both taps.
    """
    if name.startswith(_RESERVED):
        return (name, f"${name.removeprefix(_RESERVED)}")
    return (name, f"{_RESERVED}{name[1:]}") if name.startswith("$") else (name,)
