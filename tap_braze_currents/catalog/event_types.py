"""The registry of Currents event types: type ↔ stream id, fields, JSON Schema.

Its data lies in `event_types.json`, one line a type: `name:type` for every field that Braze ever
published, with `!` if it is never null, `-` if it is no longer written, and `?` if Braze has
announced it and no file has shown it yet. Types are Avro's.
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
    """An event type with every field it ever had; `fields` is in the order of the files."""

    name: str
    fields: tuple[Field, ...]

    @property
    def stream_id(self) -> str:
        """The Singer stream's id."""
        return stream_id(self.name)

    @property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the stream's records, with the exact event type as an annotation."""
        return {
            "type": "object",
            "properties": {field.name: field.json_schema for field in self.fields},
            EVENT_TYPE_ANNOTATION: self.name,
        }

    def with_fields(self, fields: tuple[Field, ...]) -> EventType:
        """Return the type with those of the fields added that it lacks, up to `NEW_FIELDS`."""
        known = {field.name for field in self.fields}
        new = tuple(field for field in fields if field.name not in known)[:NEW_FIELDS]
        return EventType(self.name, self.fields + new)


@functools.cache
def registry() -> dict[str, EventType]:
    """Return every published event type by its name."""
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
