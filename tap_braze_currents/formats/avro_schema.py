"""Read and check an Avro schema before a decoding library uses it.

The schema comes from the file, so it is not trusted: a type that contains itself crashes a
recursive decoder, a thousand nested types overflow the stack, and with values of zero bytes a short
block can claim any number of records. So every type is resolved once, and this is computed for it:

- the fewest bytes that a value takes, to check record counts against the size of a block,
- the depth and the number of types, with all named types replaced by their definitions,
- the conversion of its values to JSON, logical types included.

The decoding libraries get a new schema, `layout`. It contains only what determines how bytes are
read, with safe names.
Source: the Avro 1.12 specification.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

from tap_braze_currents.formats import avro_values as values
from tap_braze_currents.formats.avro_names import (
    full_name,
    namespace_of,
    require_list,
    require_name,
)
from tap_braze_currents.formats.avro_types import (
    FEWEST_BYTES,
    AvroType,
    array,
    map_of,
    of_bytes,
    primitive,
    record_layout,
    union_zero,
)
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import (
    EMPTY_VALUES,
    SCHEMA_DEPTH,
    SCHEMA_TYPES,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

_NAMED: Final = frozenset({"record", "error", "enum", "fixed"})
_ITEMS: Final = {"array": "items", "map": "values"}
_DURATION_BYTES: Final = 12
_UUID_BYTES: Final = 16
_CACHED_SCHEMAS: Final = 256


@dataclass(frozen=True)
class RecordSchema:
    """The schema of a file of records."""

    name: str
    """The full name, with the namespace."""
    fields: dict[str, AvroType]
    layout: dict[str, Any]
    """The schema for the decoding libraries."""
    fewest_bytes: int
    """The fewest bytes that a record takes."""


@lru_cache(_CACHED_SCHEMAS)
def read_schema(text: bytes) -> RecordSchema:
    """Read the schema of a file. Files of one event type have the same schema, so it is cached.

    Args:
        text: The schema as JSON.

    Raises:
        BrokenFileError: The text is not the schema of a record with fields, or exceeds a limit.
    """
    try:
        raw = json.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    except ValueError as error:
        raise BrokenFileError("its header holds no Avro schema (it is not JSON)") from error
    if not isinstance(raw, dict) or raw.get("type") not in ("record", "error"):
        raise BrokenFileError("its header holds no Avro schema of a record")
    try:
        return _Reader().record_schema(raw)
    except (KeyError, ValueError, TypeError) as error:
        reason = f"{error} is missing" if isinstance(error, KeyError) else error
        raise BrokenFileError(f"its header holds no Avro schema of a record ({reason})") from error


class _Reader:
    """Read one schema."""

    def __init__(self) -> None:
        self._named: dict[str, AvroType | None] = {}
        """Full name → the type. None while the type is being read: it would contain itself."""
        self._records = 0
        """Count the new names."""

    def record_schema(self, raw: dict[str, Any]) -> RecordSchema:
        name = full_name(raw, "")
        self._named[name] = None
        fields = self._fields(raw, namespace_of(name), 1)
        if not fields:
            raise BrokenFileError("its schema has no fields")
        fewest_bytes = sum(kind.fewest_bytes for kind in fields.values())
        if not fewest_bytes:
            raise BrokenFileError("its schema has only fields that hold nothing")
        return RecordSchema(name, fields, record_layout("event", fields), fewest_bytes)

    def _fields(self, raw: dict[str, Any], namespace: str, depth: int) -> dict[str, AvroType]:
        found: dict[str, AvroType] = {}
        size = _Size()
        for field in require_list(raw["fields"], "fields"):
            if not isinstance(field, dict):
                raise TypeError("a field is not an object")
            name = require_name(field["name"])
            if name in found:
                raise ValueError("two fields have the same name")
            found[name] = self._type(field["type"], namespace, depth + 1)
            size.add(found[name])
        return found

    def _type(self, raw: object, namespace: str, depth: int) -> AvroType:
        if depth > SCHEMA_DEPTH:
            raise _too_deep()
        if isinstance(raw, list):
            return self._union(raw, namespace, depth)
        if isinstance(raw, str):
            raw = {"type": raw}
        if not isinstance(raw, dict):
            raise TypeError("a type is neither a name nor an object nor a list")
        kind = raw["type"]
        if not isinstance(kind, str):  # wrapped, as in {"type": {"type": "string"}}
            return self._type(kind, namespace, depth + 1)
        if kind in FEWEST_BYTES:
            return primitive(kind, raw)
        if kind in _NAMED:
            return self._define(raw, kind, namespace, depth)
        if kind in _ITEMS:
            item = self._type(raw[_ITEMS[kind]], namespace, depth + 1)
            return array(item) if kind == "array" else map_of(item)
        return self._known(kind, namespace)

    def _known(self, name: str, namespace: str) -> AvroType:
        full = name if "." in name or not namespace else f"{namespace}.{name}"
        for candidate in (full, name):
            if candidate in self._named:
                known = self._named[candidate]
                if known is None:
                    raise BrokenFileError("its schema has a type that contains itself")
                return known
        raise ValueError("a type is not defined")

    def _define(self, raw: dict[str, Any], kind: str, namespace: str, depth: int) -> AvroType:
        name = full_name(raw, namespace)
        if name in self._named:
            raise ValueError("two types have the same name")
        self._named[name] = None
        if kind == "enum":
            defined = self._enum(raw)
        elif kind == "fixed":
            defined = self._fixed(raw)
        else:
            defined = self._record(self._fields(raw, namespace_of(name), depth))
        self._named[name] = defined
        return defined

    def _enum(self, raw: dict[str, Any]) -> AvroType:
        symbols = [require_name(symbol) for symbol in require_list(raw["symbols"], "symbols")]
        layout = {"type": "enum", "name": self._new_name(), "symbols": symbols}
        return AvroType("enum", layout, 1)

    def _fixed(self, raw: dict[str, Any]) -> AvroType:
        size = raw["size"]
        if type(size) is not int or not 0 <= size < 2**31:
            raise ValueError("a fixed type has an impossible size")
        layout = {"type": "fixed", "name": self._new_name(), "size": size}
        logical = raw.get("logicalType")
        name, to_json, scale = of_bytes(raw)
        if logical == "duration" and size == _DURATION_BYTES:
            name, to_json = "duration", values.duration_text
        elif logical == "uuid" and size == _UUID_BYTES:
            name, to_json = "uuid", values.uuid_text
        return AvroType(name, layout, size, empty=not size, to_json=to_json, scale=scale)

    def _record(self, fields: dict[str, AvroType]) -> AvroType:
        converters = {name: kind.to_json for name, kind in fields.items() if kind.to_json}

        def to_json(record: dict[str, Any]) -> dict[str, Any]:
            return record | {
                name: convert(record[name])
                for name, convert in converters.items()
                if record[name] is not None
            }

        fewest_bytes = sum(kind.fewest_bytes for kind in fields.values())
        return AvroType(
            "other",
            record_layout(self._new_name(), fields),
            fewest_bytes,
            types=1 + sum(kind.types for kind in fields.values()),
            empty=sum(kind.empty for kind in fields.values()) or not fewest_bytes,
            depth=1 + max((kind.depth for kind in fields.values()), default=0),
            to_json=to_json if converters else None,
        )

    def _union(self, raw: list[Any], namespace: str, depth: int) -> AvroType:
        if not raw or any(isinstance(branch, list) for branch in raw):
            raise ValueError("a union is empty, or directly in another one")
        branches = [self._type(branch, namespace, depth + 1) for branch in raw]
        size = _Size()
        for branch in branches:
            size.add(branch)
        others = [branch for branch in branches if branch.name != "null"]
        is_plain = len(others) == 1 and len(branches) - len(others) <= 1
        if is_plain:
            layout, to_json = [branch.layout for branch in branches], others[0].to_json
        else:
            layout, to_json = self._tagged(branches)
        only = others[0] if is_plain else None
        return AvroType(
            only.name if only else ("other" if others else "null"),
            layout,  # the branches in their order: values are written with their branch's number
            1 + min(branch.fewest_bytes for branch in branches),
            types=1 + sum(branch.types for branch in branches),
            depth=1 + max(branch.depth for branch in branches),
            to_json=to_json,
            nullable=len(others) < len(branches),
            zero=union_zero(branches) if only and only.zero is not None else None,
            per_second=only.per_second if only else 0,
            scale=only.scale if only else None,
        )

    def _tagged(self, branches: Sequence[AvroType]) -> tuple[Any, Callable[[Any], Any]]:
        """Return a layout for a union of several types in which each value shows its branch.

        The libraries return values without their branch: 5 may be a date, a timestamp or a number.
        So each branch becomes a record with one field, named by the branch's number. A record adds
        no bytes in Avro, so the layout still fits the bytes of the file.

        Returns:
            The layout, and the function that converts a value to JSON.
        """
        converters: dict[str, Callable[[Any], Any] | None] = {}
        layouts = []
        for number, branch in enumerate(branches):
            if branch.name == "null":
                layouts.append(branch.layout)
                continue
            tag = f"b{number}"
            converters[tag] = branch.to_json
            layouts.append(record_layout(self._new_name(), {tag: branch}))

        def to_json(value: dict[str, Any]) -> object:
            ((tag, inner),) = value.items()
            convert = converters[tag]
            return inner if convert is None or inner is None else convert(inner)

        return layouts, to_json

    def _new_name(self) -> str:
        self._records += 1
        return f"t{self._records}"


class _Size:
    """Counts what the fields of a record or the branches of a union are made of."""

    def __init__(self) -> None:
        self._types = self._empty = 0

    def add(self, kind: AvroType) -> None:
        """Count one more, at the same cost however many there are.

        Raises:
            BrokenFileError: They exceed a limit.
        """
        self._types += kind.types
        self._empty += kind.empty
        if self._types > SCHEMA_TYPES:
            raise BrokenFileError(f"its schema is made of more than {SCHEMA_TYPES} types")
        if self._empty > EMPTY_VALUES:
            raise BrokenFileError("its schema has too many values that hold nothing")
        if kind.depth >= SCHEMA_DEPTH:
            raise _too_deep()


def _too_deep() -> BrokenFileError:
    return BrokenFileError(f"its schema is nested more than {SCHEMA_DEPTH} types deep")
