"""The types of an Avro schema: how their bytes are read, and how their values become JSON. Pure.

Source: the Avro 1.12 specification.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from tap_braze_currents.formats import avro_values as values
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import NAME_LENGTH

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

FEWEST_BYTES: Final = {
    "null": 0,
    "boolean": 1,
    "int": 1,
    "long": 1,
    "float": 4,
    "double": 8,
    "bytes": 1,
    "string": 1,
}
_IN_COLUMNS: Final = frozenset({"string", "int", "long", "float", "double", "boolean"})
_TIMES: Final = {"int": ("time-millis",), "long": ("time-micros", "time-nanos")}
_MOMENTS: Final = ("timestamp-", "local-timestamp-")


@dataclass(frozen=True)
class AvroType:
    """One type of a schema, with all named types resolved."""

    name: str
    """An Avro primitive or logical type, `array<…>` of one, or `other` for a nested type."""
    layout: Any
    """The schema for the decoding libraries."""
    fewest_bytes: int
    """The fewest bytes that a value takes."""
    types: int = 1
    """The number of types in it, itself included."""
    empty: int = 0
    """The number of values in it that take no bytes."""
    depth: int = 1
    """The number of levels, itself included."""
    to_json: Callable[[Any], Any] | None = None
    """Converts a decoded value to a JSON value. None if no conversion is needed."""
    nullable: bool = False
    """Whether the value may be null."""
    zero: bytes | None = None
    """The bytes of the simplest value. None for types that are not read in columns."""
    per_second: int = 0
    """For a timestamp: units in a second. 0 for all other types."""
    scale: int | None = None
    """For a decimal: digits after the point."""


def primitive(kind: str, raw: dict[str, Any]) -> AvroType:
    """Return a primitive type, by its logical type where it has one."""
    logical = raw.get("logicalType")
    if kind == "bytes":
        name, to_json, scale = of_bytes(raw)
        return AvroType(name, kind, 1, to_json=to_json, scale=scale)
    if isinstance(logical, str):
        if kind == "int" and logical == "date":
            return AvroType("date", kind, 1, to_json=values.date_text)
        if logical in _TIMES.get(kind, ()):
            unit = values.PER_SECOND[logical.rpartition("-")[2]]
            return AvroType("time", kind, 1, to_json=partial(values.time_text, per_second=unit))
        if kind == "long" and logical.startswith(_MOMENTS):
            unit = values.PER_SECOND.get(logical.rpartition("-")[2], 0)
            if unit:
                zone = "" if logical.startswith("local") else "Z"
                to_text = partial(values.timestamp_text, per_second=unit, zone=zone)
                return AvroType("timestamp", kind, 1, to_json=to_text, per_second=unit)
    fewest = FEWEST_BYTES[kind]
    return AvroType(
        kind,
        kind,
        fewest,
        empty=not fewest,
        to_json=values.shortest_float if kind == "float" else None,
        zero=bytes(fewest) if kind in _IN_COLUMNS else None,
    )


def of_bytes(raw: dict[str, Any]) -> tuple[str, Callable[[Any], Any], int | None]:
    """Return name, conversion and scale of a bytes type: a decimal if it is a valid one, or text.

    The specification asks readers to ignore a logical type that is not valid.
    """
    precision, scale = raw.get("precision"), raw.get("scale", 0)
    if (
        raw.get("logicalType") != "decimal"
        or type(precision) is not int
        or type(scale) is not int
        or not 0 <= scale <= precision <= NAME_LENGTH
    ):
        return "bytes", values.bytes_text, None
    return "decimal", lambda value: values.decimal_number(values.decimal(value, scale)), scale


def array(item: AvroType) -> AvroType:
    """Return the type of arrays of an item; raises BrokenFileError if an item takes no bytes."""
    if not item.fewest_bytes:
        # Items without bytes: the array could claim any number of them in a few bytes.
        raise BrokenFileError("its schema has an array of values that hold nothing")
    convert = item.to_json
    simple = not item.name.startswith("array<") and item.name not in {"other", "null"}
    return AvroType(
        f"array<{item.name}>" if simple else "other",
        {"type": "array", "items": item.layout},
        1,
        types=1 + item.types,
        depth=1 + item.depth,
        to_json=convert
        and (lambda values: [value if value is None else convert(value) for value in values]),
        zero=b"\0" if simple and item.zero is not None else None,
    )


def map_of(item: AvroType) -> AvroType:
    """Return the type of maps from text to an item."""
    convert = item.to_json
    return AvroType(
        "other",
        {"type": "map", "values": item.layout},
        1,
        types=1 + item.types,
        depth=1 + item.depth,
        to_json=convert
        and (
            lambda values: {
                key: value if value is None else convert(value) for key, value in values.items()
            }
        ),
    )


def union_zero(branches: Sequence[AvroType]) -> bytes:
    """Return the shortest value of a union of one type and perhaps null, as bytes.

    The number of the branch comes first, in zigzag encoding (hence the factor 2), then the value.
    """
    number = next((n for n, branch in enumerate(branches) if branch.name == "null"), 0)
    return bytes([2 * number]) + (branches[number].zero or b"")


def record_layout(name: str, fields: dict[str, AvroType]) -> dict[str, Any]:
    """Return the layout of a record with these fields."""
    listed = [{"name": field, "type": kind.layout} for field, kind in fields.items()]
    return {"type": "record", "name": name, "fields": listed}
