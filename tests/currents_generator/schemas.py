"""Avro schemas of Currents files in the ways Braze has written them over the years."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from tap_braze_currents.catalog.event_types import registry

if TYPE_CHECKING:
    from tap_braze_currents.formats.fields import Field


@dataclass(frozen=True)
class Version:
    """How a file's schema was written."""

    name: str
    schema_id: int = 159
    prefix: str = "dataexport.S3.inner."
    fields: Literal["current", "all", "older"] = "current"
    wrapped: bool = False
    null_last: bool = False


CURRENT = Version("current")
ALL_FIELDS = Version("all fields ever seen", schema_id=160, fields="all")
NULL_LAST = Version("unions with null last", schema_id=158, null_last=True)
FEWER_FIELDS = Version("2023: some fields not there yet", schema_id=93, fields="older")
WRAPPED = Version("2020: wrapped types", schema_id=41, fields="older", wrapped=True, null_last=True)
BARE_NAME = Version("2018: bare record name", schema_id=12, prefix="", fields="older", wrapped=True)
PRODUCTION_NAME = Version("another prefix", schema_id=120, prefix="dataexport.prod01.GCS.inner.")
OLDER = (FEWER_FIELDS, WRAPPED, BARE_NAME, NULL_LAST, PRODUCTION_NAME)


def event_types() -> tuple[str, ...]:
    """Give every event type of the registry."""
    return tuple(registry())


def fields_of(event_type: str, version: Version = CURRENT) -> tuple[Field, ...]:
    """Give the fields that a file of this type and version has."""
    everything = registry()[event_type].fields
    if version.fields == "all":
        return everything
    # A type that Braze has withdrawn has no current field: its files had all it ever had.
    current = tuple(field for field in everything if field.current) or everything
    if version.fields == "current":
        return current
    optional = [field.name for field in current if field.nullable]
    kept = set(optional[: len(optional) * 3 // 4]) | {"external_user_id"}
    return tuple(field for field in current if not field.nullable or field.name in kept)


def avro_schema(event_type: str, version: Version = CURRENT) -> dict[str, Any]:
    """Give the Avro schema as it stands in the header of a file."""
    return {
        "type": "record",
        "name": f"{version.prefix}{event_type}",
        "doc": f"made-up data of the type {event_type}",
        "fields": [_field(field, version) for field in fields_of(event_type, version)],
    }


def _field(field: Field, version: Version) -> dict[str, Any]:
    avro_type: Any = field.type
    if avro_type.startswith("array<"):
        avro_type = {"type": "array", "items": avro_type[6:-1]}
    elif version.wrapped:
        avro_type = {"type": avro_type, "connect.doc": f"what {field.name} is"}
    if not field.nullable:
        return {"name": field.name, "type": avro_type}
    if version.null_last:
        # No default: Avro wants a default to be of the first type of the union.
        return {"name": field.name, "type": [avro_type, "null"]}
    return {"name": field.name, "type": ["null", avro_type], "default": None}
