"""A field of a file: its Avro type, and the JSON type that its values get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

JSON_TYPES = {
    "string": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "boolean": "boolean",
    "decimal": "number",
}
"""Avro type → JSON type. All other types become text: bytes, dates, timestamps, and nested values
as JSON."""
NEVER_NULL = frozenset({"id", "time"})
_JSON_TEXT_FIELDS = frozenset({"properties"})


@dataclass(frozen=True)
class Field:
    """One field of an event type.

    Attributes:
        name: The name of the field.
        type: An Avro primitive, `array<primitive>`, or `other` for a nested type.
        nullable: Whether the value may be null.
        current: Whether Braze still writes the field.
        announced: Whether Braze has published the field but no file has contained it yet.
    """

    name: str
    type: str
    nullable: bool = True
    current: bool = True
    announced: bool = False

    @property
    def json_schema(self) -> dict[str, Any]:
        """The JSON Schema of the field.

        All fields are nullable except `id` and `time`. There are no formats such as `date-time`:
        Braze's field transformations may put `[REDACTED]` or a hash into any string.
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


def json_type_of(avro_type: str) -> str:
    """Return the JSON type for the Avro type of a field. `other` becomes a string of JSON."""
    return "array" if avro_type.startswith("array<") else JSON_TYPES.get(avro_type, "string")
