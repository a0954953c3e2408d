"""Find the names in the settings that had no effect in a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from braze_mixpanel.singer.currents_streams import stream_id
from braze_mixpanel.singer.stream_map_names import names_without_effect, unmatched_names
from target_mixpanel.mapping.currents import find_unknown_types

if TYPE_CHECKING:
    import logging
    from collections.abc import Mapping

    from braze_mixpanel.errors import SettingsError
    from braze_mixpanel.singer.stream_map_names import MapUse


def find_unused_names(
    config: Mapping[str, Any], map_use: MapUse, mapped: Mapping[str, str]
) -> SettingsError | None:
    """Return an error about names that did not occur in the input, or None if all occurred.

    Args:
        config: The settings of the target.
        map_use: The streams and fields that occurred, for the names in `stream_maps`.
        mapped: Stream after stream maps → its event type, or empty for a stream of another tap.
    """
    came = {stream_id(event_type): event_type for event_type in mapped.values()}
    unknown = [
        name for name in find_unknown_types(config["event_names"]) if stream_id(name) not in came
    ]
    return names_without_effect(
        [
            *map_use.find_unused(),
            *unmatched_names("streams", config["streams"], mapped),
            *unmatched_names("event_names", unknown, came.values()),
        ],
        "All events were delivered anyway. Correct the name or remove it.",
    )


def find_unused_maps(map_use: MapUse) -> SettingsError | None:
    """Return the error about stream maps without effect; None if all were used.

    It is for the end of an input before the first event is sent, because a map may remove what must
    not be sent.
    """
    return names_without_effect(
        map_use.find_unused(), "Nothing was sent. Correct the name or remove it."
    )


def log_unused_maps(map_use: MapUse, logger: logging.Logger) -> None:
    """Log which stream maps have no effect so far, before the first event is sent."""
    if unused := " ".join(map_use.find_unused()):
        logger.info("%s That is so far: the first events are sent now.", unused)
