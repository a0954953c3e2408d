"""The second half of `currents`: map ordinary records from an input line directly to event JSON.

Why there are two halves: `currents` maps any record as a dict, and `rules` checks the result. That
code is easy to read, but slow. Nearly every Currents record has text ids, a whole number as its
time, only documented fields, and breaks no rule. For such a record this module decodes the line
into a struct that has only the fields to send, and encodes a second struct whose fields have
Mixpanel's names. It creates no dict.

How the two halves stay equal: the fast lane never skips or rejects an event. If a record is not
ordinary, the fast lane returns its line, and `currents` and `rules` decide. If both halves make an
event, the bytes are the same: `tests/target_mixpanel/mapping/test_fast_lane.py` compares them for
every documented event type and for records with unusual values. If you change the mapping
or a rule, change this module too; the test fails otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from msgspec.structs import astuple

from braze_mixpanel.lenient_json import UNREADABLE
from target_mixpanel.mapping.currents import CUSTOM_EVENT, PROPERTY_PREFIXES, CurrentsMapper
from target_mixpanel.mapping.placeholders import PLACEHOLDER_ID, PLACEHOLDER_USER
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

# The types are the first check. msgspec raises an error for a record with an object in a field to
# send, with a nested or long array, with a float as `time`, or with an empty `external_user_id`.
# Such lines are returned to the caller.
Scalar = str | int | float | bool | None
Value = Scalar | Annotated[list[Scalar], msgspec.Meta(max_length=MAX_ARRAY_ITEMS)]
InsertId = Annotated[str, msgspec.Meta(pattern=rf"\A{INSERT_ID_FORM}\Z")]
"""The anchors are needed, because msgspec searches for a pattern anywhere in the text."""
DistinctId = Annotated[str, msgspec.Meta(min_length=1)]
_IDS_TO_CHECK = FORBIDDEN_IDS | {PLACEHOLDER_ID}
_PLACEHOLDER_LENGTHS = range(len(PLACEHOLDER_USER), len(PLACEHOLDER_USER) + 38)
"""The possible lengths of a test event's external id: the field's name, a separator, a UUID."""
_CONTAINERS = frozenset({dict, list})

_encode = msgspec.json.Encoder().encode
_decode_properties = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass
class Prepared:
    """Events to send, with their lines. The four lists have the same length and order.

    Attributes:
        names: Mixpanel event names.
        times: The `time` of each event in UNIX seconds.
        bodies: The events as JSON.
        lines: The input lines, for the dead letter.
    """

    names: list[str] = field(default_factory=list)
    times: list[int] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    lines: list[bytes] = field(default_factory=list)


class FastLane:
    """Map ordinary records of one event type, with the result of `CurrentsMapper` and `rules`."""

    def __init__(
        self, mapper: CurrentsMapper, documented_fields: Sequence[tuple[str, str]]
    ) -> None:
        """Compile a mapping into two structs and the fixed beginning of every event.

        Args:
            mapper: The mapping.
            documented_fields: Pairs of Mixpanel property and record field, in the order in which
                they are sent.
        """
        self._name = mapper.event
        self._prefix = PROPERTY_PREFIXES.get(mapper.event_type)
        self._names_itself = mapper.event_type == CUSTOM_EVENT
        record = _record_struct(
            documented_fields, has_properties=self._prefix is not None, has_name=self._names_itself
        )
        self._properties = _properties_struct(documented_fields)
        # The record struct begins with the fields of the properties struct, in the same order. So
        # `properties(*astuple(record))` renames all fields at once. `_sent` is the number of these
        # fields. The fields after them (`properties`, `name`) are not sent unchanged.
        self._sent = len(self._properties.__struct_fields__)
        # How many custom properties fit into Mixpanel's limit if no field is null. An event with
        # null fields could have more; such a record goes to `rules`, which counts exactly.
        self._room = MAX_PROPERTIES - self._sent - len(mapper.constants)
        # JSON without braces, to put it in front of the other properties.
        self._constants = _encode(mapper.constants)[1:-1] + b","
        self._head = self._head_of(mapper.event)
        message = msgspec.defstruct("Message", [("record", record)], gc=False)
        self._decode_record: Callable[[bytes], Any] = msgspec.json.Decoder(record).decode
        self._decode_message: Callable[[bytes], Any] = msgspec.json.Decoder(message).decode

    def prepare(
        self, lines: list[bytes], *, whole_messages: bool, earliest: float, latest: float
    ) -> tuple[Prepared, list[bytes]]:
        """Map many records.

        Args:
            lines: RECORD messages of the stream, or records as JSON.
            whole_messages: Whether the lines are RECORD messages.
            earliest: The smallest `time` to send, in UNIX seconds.
            latest: The greatest `time` to send, in UNIX seconds.

        Returns:
            The events, and the lines of the other records, for `currents` and `rules`.
        """
        done = Prepared()
        others: list[bytes] = []
        properties, head = self._properties, self._head
        has_custom_properties = self._prefix is not None
        # Methods are looked up once, because this loop runs for every record of every run.
        add_name, add_time = done.names.append, done.times.append
        add_body, add_line = done.bodies.append, done.lines.append
        for line, record in self._readable(lines, others, whole_messages=whole_messages):
            time, distinct_id = record.time, record.external_user_id
            # The checks of `rules` that the types do not cover. Lengths are compared first: this
            # avoids lower-casing nearly every distinct_id.
            if (
                not earliest <= time <= latest
                or (
                    len(distinct_id) <= LONGEST_FORBIDDEN_ID
                    and distinct_id.lower() in FORBIDDEN_IDS
                )
                or record.id.lower() in _IDS_TO_CHECK
                or distinct_id.isspace()
                or (
                    len(distinct_id) in _PLACEHOLDER_LENGTHS
                    and distinct_id[: len(PLACEHOLDER_USER)].lower() == PLACEHOLDER_USER
                )
            ):
                others.append(line)
                continue
            if has_custom_properties:
                name, body = self._with_custom_properties(astuple(record))
            else:
                # The JSON is joined by hand. The head is `{"event":…,"properties":{` with the
                # constants. The encoded struct loses its opening brace (`[1:]`) and keeps its
                # closing one. The last brace closes the event.
                name = self._name
                body = head + _encode(properties(*astuple(record)))[1:] + b"}"
            # An empty body means that the custom properties are not ordinary. A body that is too
            # large must be rejected by `rules`.
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
        """Yield each line with its record. Add lines that cannot be decoded to `others`."""
        decode = self._decode_message if whole_messages else self._decode_record
        for line in lines:
            try:
                record = decode(line)
            except UNREADABLE:
                others.append(line)
                continue
            yield line, record.record if whole_messages else record

    def _with_custom_properties(self, values: tuple[Any, ...]) -> tuple[str, bytes]:
        """Return name and JSON of a custom event or purchase. Empty JSON: it is not ordinary."""
        name, head = self._name, self._head
        # After the fields to send, the record has `properties`, and a custom event also `name`.
        if self._names_itself and (own_name := values[self._sent + 1]):
            name = f"{name} {own_name}".lstrip()
            head = self._head_of(name)
        custom = self._custom_properties(values[self._sent])
        if custom is None or not name:
            return name, b""
        body = head + _encode(self._properties(*values[: self._sent]))[1:]
        # The struct is never empty (it has `time`), so a comma joins it to the custom properties.
        return name, (body[:-1] + b"," + _encode(custom)[1:] if custom else body) + b"}"

    def _custom_properties(self, text: str | None) -> dict[str, Any] | None:
        """Return the custom properties with their prefix, or None if they are not ordinary."""
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
    """Return the fast lane of a mapper, or None if the mapper has none."""
    if not isinstance(mapper, CurrentsMapper) or mapper.documented_fields is None:
        return None
    if not mapper.event and mapper.event_type != CUSTOM_EVENT:
        return None  # the rules reject events without a name
    return FastLane(mapper, mapper.documented_fields)


def _record_struct(
    documented_fields: Sequence[tuple[str, str]], *, has_properties: bool, has_name: bool
) -> type[msgspec.Struct]:
    """Return the struct type that a line is decoded into. The fields to send come first."""
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
    """Return the struct type that is encoded: the fields to send, under Mixpanel's names.

    `omit_defaults` leaves null fields out, as the mapping does.
    """
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
