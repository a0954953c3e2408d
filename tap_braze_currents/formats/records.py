"""Records as NDJSON, and the selection of fields with their JSON types.

From here on, records are NDJSON: one compact JSON object on each line, with the fields in the order
of the file.
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
"""Values of a union that are kept unchanged, unless the catalog wants a string."""
_NUMERIC = frozenset({"integer", "number"})
_MOMENTS = frozenset({"date", "timestamp"})

encode_lines = msgspec.json.Encoder().encode_lines
_encode = msgspec.json.Encoder().encode


class Rows(NamedTuple):
    """A block of records."""

    ndjson: bytes
    """One line for each record. The last line ends with a newline too."""
    records: int
    """The number of records."""


@dataclass(frozen=True)
class Selection:
    """The fields of a stream to read."""

    types: Mapping[str, str]
    """Selected field → its JSON type in the catalog, or "" if it has several types."""
    expected: Sequence[str] = ()
    """Selected fields that become null if a file lacks them. Other fields are left out."""

    def missing(self, present: Sequence[str]) -> list[str]:
        """Return the expected fields that are not in `present`."""
        there = set(present)
        return [name for name in self.expected if name not in there]


def convert(value: object, avro_type: str, wanted: str) -> object:
    """Convert a value to the JSON type of the catalog, if that loses nothing.

    Args:
        value: A plain JSON value.
        avro_type: The type in the file, see `Field`.
        wanted: The JSON type in the catalog.

    Returns:
        The value in the wanted type, or unchanged if that type cannot hold it.
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
    """Return whether values of an Avro type already have the wanted JSON type ("": any type)."""
    return wanted in {"", json_type_of(avro_type)} or (
        wanted == "number" and json_type_of(avro_type) == "integer"
    )


def is_lossless(avro_type: str, wanted: str) -> bool:
    """Return whether every value of an Avro type can be converted to the wanted JSON type."""
    return (
        fits(avro_type, wanted)
        or wanted == "string"
        or (avro_type in _MOMENTS and wanted in _NUMERIC)
    )
