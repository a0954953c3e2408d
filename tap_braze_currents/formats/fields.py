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
"""What is not here becomes text: bytes, dates, moments, and nested values as JSON."""
NEVER_NULL = frozenset({"id", "time"})
_JSON_TEXT_FIELDS = frozenset({"properties"})


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


def json_type_of(avro_type: str) -> str:
    """Return the JSON type that a field's Avro type becomes; `other` becomes JSON text."""
    return "array" if avro_type.startswith("array<") else JSON_TYPES.get(avro_type, "string")
