"""The ordinary record, straight from its line to the JSON of its event.

Nearly every record of Currents is mapped by its documented fields and breaks no rule. For these the
work of a dict per record is spared: a line is decoded into a struct of just the fields that are
sent, moved into a struct that encodes under Mixpanel's names, and checked on the way. Whatever is
not ordinary is left to the general way (`mapping`, `rules`), which alone decides about skipping and
refusing; where both give an event, they give the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec.structs import astuple

from braze_mixpanel.singer.lenient_json import UNREADABLE
from target_mixpanel.mapping.currents import CUSTOM_EVENT, PROPERTY_PREFIXES, CurrentsMapper
from target_mixpanel.mapping.rules import (
    FORBIDDEN_IDS,
    INSERT_ID_FORM,
    LONGEST_FORBIDDEN_ID,
    MAX_ARRAY_ITEMS,
    MAX_EVENT_BYTES,
    MAX_PROPERTIES,
    find_nesting_problem,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

Scalar = str | int | float | bool | None
Value = Scalar | Annotated[list[Scalar], msgspec.Meta(max_length=MAX_ARRAY_ITEMS)]
InsertId = Annotated[str, msgspec.Meta(pattern=rf"\A{INSERT_ID_FORM}\Z")]
DistinctId = Annotated[str, msgspec.Meta(min_length=1)]
_CONTAINERS = frozenset({dict, list})

_encode = msgspec.json.Encoder().encode
_decode_properties = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass
class Prepared:
    """Events that may be sent, each with the line that it came from.

    Attributes:
        names: Mixpanel event names.
        times: Their `time` in UNIX seconds.
        bodies: The events as JSON.
        lines: The lines.
    """

    names: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)


class FastLane:
    """Does for the ordinary records of one event type what `CurrentsMapper` and `rules` do."""

    def __init__(
        self, mapper: CurrentsMapper, documented_fields: Sequence[tuple[str, str]]
    ) -> None:
        """Compile a mapping.

        Args:
            mapper: The mapping.
            documented_fields: Its Mixpanel properties and their fields.
        """
        self._name = mapper.event
        self._prefix = PROPERTY_PREFIXES.get(mapper.event_type)
        self._names_itself = mapper.event_type == CUSTOM_EVENT
        record = _record_struct(
            documented_fields, has_properties=self._prefix is not None, has_name=self._names_itself
        )
        self._properties = _properties_struct(documented_fields)
        self._sent = len(self._properties.__struct_fields__)
        self._room = MAX_PROPERTIES - self._sent - len(mapper.constants)
        self._constants = _encode(mapper.constants)[1:-1] + b","
        self._head = self._head_of(mapper.event)
        message = msgspec.defstruct("Message", [("record", record)], gc=False)
        self._decode_record: Callable[[bytes], Any] = msgspec.json.Decoder(record).decode
        self._decode_message: Callable[[bytes], Any] = msgspec.json.Decoder(message).decode

    def prepare(
        self, lines: list[bytes], *, whole_messages: bool, earliest: float, latest: float
    ) -> tuple[Prepared, list[bytes]]:
        """Make the events of many records.

        Args:
            lines: RECORD messages of the stream, or records' own JSON.
            whole_messages: Which of the two.
            earliest: The least `time` that may be sent, in UNIX seconds.
            latest: The greatest.

        Returns:
            The events, and the lines that must go the general way.
        """
        done = Prepared()
        others: list[bytes] = []
        properties, head = self._properties, self._head
        has_custom_properties = self._prefix is not None
        add_name, add_time = done.names.append, done.times.append
        add_body, add_line = done.bodies.append, done.lines.append
        for line, record in self._readable(lines, others, whole_messages=whole_messages):
            time, distinct_id = record.time, record.external_user_id
            if (
                not earliest <= time <= latest
                or (
                    len(distinct_id) <= LONGEST_FORBIDDEN_ID
                    and distinct_id.lower() in FORBIDDEN_IDS
                )
                or record.id.lower() in FORBIDDEN_IDS
            ):
                others.append(line)
                continue
            if has_custom_properties:
                name, body = self._with_custom_properties(record)
            else:
                name = self._name
                body = head + _encode(properties(*astuple(record)))[1:] + b"}"
            if not 0 < len(body) < MAX_EVENT_BYTES:
                others.append(line)
                continue
            add_name(name)
            add_time(time)
            add_body(body)
            add_line(line)
        return done, others

    def _readable(
        self, lines: list[bytes], others: list[bytes], *, whole_messages: bool
    ) -> Iterator[tuple[bytes, Any]]:
        """Give lines with their records; `others` gets the lines that are no ordinary records."""
        decode = self._decode_message if whole_messages else self._decode_record
        for line in lines:
            try:
                record = decode(line)
            except UNREADABLE:
                others.append(line)
                continue
            yield line, record.record if whole_messages else record

    def _with_custom_properties(self, record: Any) -> tuple[str, bytes]:  # noqa: ANN401
        """Make the name and the JSON of a custom event or purchase; no JSON if not ordinary."""
        name, head = self._name, self._head
        values = astuple(record)
        if self._names_itself and record.name:
            name = f"{name} {record.name}".lstrip()
            head = self._head_of(name)
        custom = self._custom_properties(record.properties)
        if custom is None or not name:
            return name, b""
        body = head + _encode(self._properties(*values[: self._sent]))[1:]
        return name, (body[:-1] + b"," + _encode(custom)[1:] if custom else body) + b"}"

    def _custom_properties(self, text: str | None) -> dict[str, Any] | None:
        """Read and prefix custom properties; None if they are not ordinary."""
        if text is None:
            return {}
        try:
            found = _decode_properties(text)
        except UNREADABLE:
            return None
        if len(found) > self._room:
            return None
        for value in found.values():
            if type(value) in _CONTAINERS and find_nesting_problem(value):
                return None
        prefix = self._prefix
        return {f"{prefix} {key}": value for key, value in found.items() if value is not None}

    def _head_of(self, name: str) -> bytes:
        return b'{"event":' + _encode(name) + b',"properties":{' + self._constants


def fast_lane_for(mapper: object) -> FastLane | None:
    """Give the fast lane of a mapper, or None where all its records go the general way."""
    if not isinstance(mapper, CurrentsMapper) or mapper.documented_fields is None:
        return None
    if not mapper.event and mapper.event_type != CUSTOM_EVENT:
        return None  # the rules refuse events without a name
    return FastLane(mapper, mapper.documented_fields)


def _record_struct(
    documented_fields: Sequence[tuple[str, str]], *, has_properties: bool, has_name: bool
) -> type[msgspec.Struct]:
    """Make the struct that lines are decoded into: what is sent, in order, then the rest."""
    return msgspec.defstruct(
        "Record",
        [
            ("time", int),
            ("external_user_id", DistinctId),
            ("id", InsertId),
            *((field, Value, None) for _, field in documented_fields),
            *([("properties", str | None, None)] if has_properties else []),
            *([("name", str | None, None)] if has_name else []),
        ],
        gc=False,
    )


def _properties_struct(documented_fields: Sequence[tuple[str, str]]) -> type[msgspec.Struct]:
    """Make the struct that encodes what is sent, under Mixpanel's names."""
    return msgspec.defstruct(
        "Properties",
        [
            "time",
            "distinct_id",
            "insert_id",
            *((field, Value, None) for _, field in documented_fields),
        ],
        rename={"insert_id": "$insert_id", **{name: to for to, name in documented_fields}},
        omit_defaults=True,
        gc=False,
    )
