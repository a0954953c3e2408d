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
from tap_braze_currents.formats.limits import NEW_FIELDS

JSON_TYPES = {
    "string": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "decimal": "number",
}
"""What is not here becomes text: bytes, dates, moments, and nested values as JSON."""
NEVER_NULL = frozenset({"id", "time"})
_JSON_TEXT_FIELDS = frozenset({"properties"})
_FIRST_SEGMENTS = frozenset({"users", "agentconsole", "contentoptimizer"})


@dataclass(frozen=True)
class Field:
    """One field of an event type.

    `type` is an Avro primitive, `array<primitive>`, or `other` for what has no simple JSON form.
    `announced` marks a field that Braze has published and that no file has shown yet.
    """

    name: str
    type: str
    nullable: bool = True
    current: bool = True
    announced: bool = False

    @property
    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the field.

        Nullable unless it identifies the event, and without formats: a field transformation may
        put `[REDACTED]` or a hash into any string.
        """
        schema: dict[str, Any] = {}
        if self.type.startswith("array<"):
            item = JSON_TYPES.get(self.type[6:-1], "string")
            schema["items"] = {"type": [item, "null"]}
        if self.name in _JSON_TEXT_FIELDS:
            schema["contentMediaType"] = "application/json"
        json_type = json_type_of(self.type)
        schema["type"] = [json_type] if self.name in NEVER_NULL else [json_type, "null"]
        return schema


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


def json_type_of(avro_type: str) -> str:
    """Return the JSON type that a field's Avro type becomes; `other` becomes JSON text."""
    return "array" if avro_type.startswith("array<") else JSON_TYPES.get(avro_type, "string")


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


def event_type_of_record(record_name: str) -> str:
    """Find the event type in the full name of an Avro record.

    Args:
        record_name: Such as `dataexport.S3.inner.users.messages.email.Open` or, until 2021,
            the bare event type.

    Returns:
        The event type; it need not be one of the registry.
    """
    _, inner, after = record_name.rpartition(".inner.")
    if inner:
        return after
    segments = record_name.split(".")
    for index, segment in enumerate(segments):
        if segment in _FIRST_SEGMENTS:
            return ".".join(segments[index:])
    return record_name
