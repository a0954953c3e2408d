"""Chooses the mapper for the records of a stream."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.currents_streams import EVENT_TYPE_ANNOTATION, stream_id
from target_mixpanel.mapping.currents import (
    CurrentsMapper,
    documented_mapping,
    event_type_of_annotation,
    event_type_of_stream,
    find_unknown_types,
)
from target_mixpanel.mapping.other_streams import OtherStreamMapper

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from target_mixpanel.mapping.event import Mapper


def choose_mapper(
    stream: str,
    schema: Mapping[str, Any],
    key_properties: Sequence[str],
    settings: Mapping[str, Any],
) -> Mapper:
    """Choose how the records of a stream become events.

    Args:
        stream: The stream, after stream maps.
        schema: Its JSON Schema.
        key_properties: Its key.
        settings: Those of the target.

    Raises:
        SettingsError: The stream is neither of Currents nor in the setting `streams`.
    """
    token = settings.get("project_token")
    setting = settings["streams"].get(stream)
    if setting:
        return OtherStreamMapper(
            stream, setting, schema=schema, key_properties=key_properties, project_token=token
        )
    annotated = event_type_of_annotation(schema.get(EVENT_TYPE_ANNOTATION))
    event_type = annotated or event_type_of_stream(stream)
    if event_type is None:
        raise SettingsError(
            f"Stream {stream} is another tap's stream: it is no known event type of Braze "
            f"Currents, and its SCHEMA has no {EVENT_TYPE_ANNOTATION}. Set in the setting streams "
            f'how its records become events, such as {{"{stream}": {{"event": "…", '
            '"distinct_id": "…", "time": "…", "insert_id": "…"}}, or do not select it.'
        )
    return CurrentsMapper(
        event_type,
        anonymous_events=settings["anonymous_events"],
        test_events=settings["test_events"],
        property_set=settings["property_set"],
        event_names=settings["event_names"],
        project_token=token,
    )


def doubtful_event_names(event_types: Iterable[str]) -> str | None:
    """Find event types in the setting `event_names` that the mapping does not have.

    Args:
        event_types: Its keys.

    Returns:
        A warning in one line, None if there are none. It is no error, because Braze adds types.
    """
    known = documented_mapping()
    doubtful = []
    for event_type in find_unknown_types(event_types):
        names = known if "." in event_type else [stream_id(name) for name in known]
        close = difflib.get_close_matches(event_type, names, n=1)
        doubtful.append(event_type + (f" (did you mean {close[0]}?)" if close else ""))
    if not doubtful:
        return None
    return (
        f"Setting event_names has event types that are not known here: {', '.join(doubtful)}. "
        "Unless Braze has added them since, these names have no effect."
    )
