"""The registry of Currents event types: type ↔ stream id, fields, JSON Schema.

The data is in `event_types.json`, one line for each type: `name:type` for every field that Braze
has ever published. `!` marks a field that is never null, `-` a field that Braze no longer writes,
and `?` a field that Braze has announced but that was in no file yet. The types are Avro types.
Source: Braze's Currents schemas from 2018 to the version of 2026-06-29, and its change log for
versions 11 (2026-08-05) and 12 (2026-09-02).
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from importlib import resources
from typing import Any

from braze_mixpanel.singer.currents_streams import EVENT_TYPE_ANNOTATION, stream_id
from tap_braze_currents.formats.fields import Field
from tap_braze_currents.formats.limits import NEW_FIELDS


@dataclass(frozen=True)
class EventType:
    """An event type with all fields it has ever had, in the order in which files hold them."""

    name: str
    fields: tuple[Field, ...]

    @property
    def stream_id(self) -> str:
        """The id of the Singer stream."""
        return stream_id(self.name)

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the stream's records, annotated with the event type."""
        return {
            "type": "object",
            "properties": {field.name: field.json_schema for field in self.fields},
            EVENT_TYPE_ANNOTATION: self.name,
        }

    def with_fields(self, fields: tuple[Field, ...]) -> EventType:
        """Return the event type with new fields added, at most `NEW_FIELDS` of them."""
        known = {field.name for field in self.fields}
        new = tuple(field for field in fields if field.name not in known)[:NEW_FIELDS]
        return EventType(self.name, self.fields + new)


@functools.cache
def registry() -> dict[str, EventType]:
    """Return all published event types by name, such as `users.messages.email.Open`."""
    data = json.loads(resources.files(__package__).joinpath("event_types.json").read_text("utf-8"))
    return {name: EventType(name, _parse_fields(text)) for name, text in data.items()}


def _parse_fields(text: str) -> tuple[Field, ...]:
    fields = []
    for item in text.split():
        name, _, avro_type = item.partition(":")
        fields.append(
            Field(
                name,
                avro_type.rstrip("!-?"),
                nullable="!" not in avro_type,
                current=not avro_type.endswith("-"),
                announced=avro_type.endswith("?"),
            )
        )
    return tuple(fields)
