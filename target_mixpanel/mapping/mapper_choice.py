"""Choose the mapper for the records of a stream."""

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
    """Return the mapper for the records of a stream.

    Args:
        stream: The name of the stream, after stream maps.
        schema: The JSON Schema of its records.
        key_properties: The names of its key fields.
        settings: The settings of the target.

    Raises:
        SettingsError: The stream is neither from Currents nor in the setting `streams`.
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
            f"Stream {stream} is not from Braze Currents: it is not a known event type, and its "
            f"SCHEMA has no {EVENT_TYPE_ANNOTATION}. Describe in the setting streams how its "
            f'records become events, such as {{"{stream}": {{"event": "…", '
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
    """Return a warning about unknown event types in the setting `event_names`.

    They are not an error, because Braze adds event types.

    Args:
        event_types: The keys of the setting.

    Returns:
        The warning in one line, or None if all event types are known.
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
        f"Setting event_names has unknown event types: {', '.join(doubtful)}. "
        "Unless Braze has added them since, these names have no effect."
    )
