"""Records in which every field that a type ever had is set, each value telling its field."""

from __future__ import annotations

from typing import Any

from tests.currents_generator import ALL_FIELDS, fields_of

_VALUES: dict[str, Any] = {
    "int": 7,
    "long": 1_790_000_000_123,
    "float": 3.14,
    "double": 2.5,
    "boolean": True,
    "array<string>": ["a", "b"],
    "array<boolean>": [True],
    "array<long>": [1],
    "array<double>": [0.5],
}
_FIXED = {
    "id": "0a1b2c3d-0000-4000-8000-000000000001",
    "time": 1_790_000_000,
    "external_user_id": "user-1",
    "name": "added to cart",
    "properties": (
        '{"sku": "A-1", "count": 2, "price": 9.5, "gift": false, "tags": ["x"], "no": null}'
    ),
}


def record_with_every_field(event_type: str) -> dict[str, Any]:
    """Make one; a text is its field's name."""
    return {
        field.name: _FIXED.get(field.name, _VALUES.get(field.type, field.name))
        for field in fields_of(event_type, ALL_FIELDS)
    }
