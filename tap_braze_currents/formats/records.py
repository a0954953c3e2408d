"""Records on their way out: NDJSON, and which fields are wanted in which JSON type.

NDJSON is the one form in which records travel from here on: one JSON object a line, compact,
fields in the file's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from braze_mixpanel.identifiers import whole_numbers
from tap_braze_currents.formats.fields import json_type_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SCALARS = (str, bool, int, float)
"""What a union of several types holds as it is, if the catalog wants no text."""
_NUMERIC = frozenset({"integer", "number"})
_MOMENTS = frozenset({"date", "timestamp"})

encode_lines = msgspec.json.Encoder().encode_lines
_encode = msgspec.json.Encoder().encode


class Rows(NamedTuple):
    """Some records of a file."""

    ndjson: bytes
    """One line each, with a newline at the end of the last."""
    records: int


@dataclass(frozen=True)
class Selection:
    """What is wanted of a stream's files."""

    types: Mapping[str, str]
    """Selected field → its JSON type in the catalog, or "" if that is not a single one."""
    expected: Sequence[str] = ()
    """Selected fields that are null, not absent, where a file lacks them."""

    def missing(self, present: Sequence[str]) -> list[str]:
        """Return the expected fields that are not among those present."""
        there = set(present)
        return [name for name in self.expected if name not in there]


def convert(value: object, avro_type: str, wanted: str) -> object:
    """Convert a value to the JSON type of the catalog, if nothing is lost by that.

    Args:
        value: A plain JSON value.
        avro_type: Its type in the file, see `Field`.
        wanted: JSON type in the catalog.

    Returns:
        The value in the wanted type; as it was where that type cannot hold it.
    """
    if value is None or (wanted == "array" and isinstance(value, list)):
        return value
    if wanted == "string" and isinstance(value, float):
        value = whole_numbers(value)  # 12345 and 12345.0 are one id
    is_nested = avro_type == "other" and not isinstance(value, _SCALARS)
    if is_nested or (wanted == "string" and not isinstance(value, str)):
        return _encode(value).decode()
    if wanted == "integer" and isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def fits(avro_type: str, wanted: str) -> bool:
    """Report whether values of an Avro type have a JSON type as they are; "" means any type."""
    return wanted in {"", json_type_of(avro_type)} or (
        wanted == "number" and json_type_of(avro_type) == "integer"
    )


def is_lossless(avro_type: str, wanted: str) -> bool:
    """Report whether every value of an Avro type can become a JSON type of the catalog."""
    return (
        fits(avro_type, wanted)
        or wanted == "string"
        or (avro_type in _MOMENTS and wanted in _NUMERIC)
    )
