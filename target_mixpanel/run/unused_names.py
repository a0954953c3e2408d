"""Finds the names in the settings that had no effect in a run. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.singer.stream_map_names import names_without_effect, unmatched_names
from target_mixpanel.mapping.mapper_choice import unknown_event_types

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_mixpanel.errors import SettingsError
    from braze_mixpanel.singer.stream_map_names import MapUse


def find_unused_names(
    config: Mapping[str, Any], map_use: MapUse, mapped: Mapping[str, str]
) -> SettingsError | None:
    """Return the error about names that nothing in the input has; None if all were used.

    Args:
        config: The settings.
        map_use: What `stream_maps` had an effect on.
        mapped: Stream after stream maps → its event type; empty for a stream of another tap.
    """
    unknown = unknown_event_types(config["event_names"])
    return names_without_effect(
        [
            *map_use.find_unused(),
            *unmatched_names("streams", config["streams"], mapped),
            *unmatched_names("event_names", unknown, mapped.values()),
        ],
        "All events were delivered all the same. Correct the name or remove it.",
    )
