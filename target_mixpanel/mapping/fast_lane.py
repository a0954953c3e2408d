"""The second half of `currents`: ordinary records, from the line to the event's JSON in one go.

Why there are two halves: `currents` maps any record, by way of a dict, and `rules` checks the
result. That is easy to read and slow. Nearly every Currents record has text ids, a whole number as
its time, only documented fields, and breaks no rule. For such a record this module decodes the line
into a struct that has only the fields that are sent, and encodes a second struct, whose fields have
Mixpanel's names. No dict is made.

What holds them together: the fast lane never skips, rejects or changes anything. Where it is not
sure, it returns the line, and `currents` and `rules` decide. Where both make an event, the bytes
are the same: `tests/target_mixpanel/mapping/test_fast_lane.py` compares them for every documented
event type and for records with odd values. A change to the mapping or to a rule needs its
counterpart here, and this test finds it if it is missing.
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

# The types are the first check: msgspec does not decode a record with an object in a field that is
# sent, with a nested or long array, with a float as `time`, or with an empty `external_user_id`.
# Such lines go the general way.
Scalar = str | int | float | bool | None
Value = Scalar | Annotated[list[Scalar], msgspec.Meta(max_length=MAX_ARRAY_ITEMS)]
InsertId = Annotated[str, msgspec.Meta(pattern=rf"\A{INSERT_ID_FORM}\Z")]
"""The anchors are needed, because msgspec searches for a pattern anywhere in the text."""
DistinctId = Annotated[str, msgspec.Meta(min_length=1)]
_IDS_TO_CHECK = FORBIDDEN_IDS | {PLACEHOLDER_ID}
_PLACEHOLDER_LENGTHS = range(len(PLACEHOLDER_USER), len(PLACEHOLDER_USER) + 38)
"""How long the external id of a test event can be: the field's name, a separator, a UUID."""
_CONTAINERS = frozenset({dict, list})

_encode = msgspec.json.Encoder().encode
_decode_properties = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass
class Prepared:
    """Events that may be sent, each with its line. The four lists run in parallel.

    Attributes:
        names: Mixpanel event names.
        times: Their `time` in UNIX seconds.
        bodies: The events as JSON.
        lines: The lines, for the dead letter.
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
        """Compile a mapping into two structs and the fixed beginning of every event.

        Args:
            mapper: The mapping.
            documented_fields: Pairs of Mixpanel property and field of the record, in the order in
                which they are sent.
        """
        self._name = mapper.event
        self._prefix = PROPERTY_PREFIXES.get(mapper.event_type)
        self._names_itself = mapper.event_type == CUSTOM_EVENT
        record = _record_struct(
            documented_fields, has_properties=self._prefix is not None, has_name=self._names_itself
        )
        self._properties = _properties_struct(documented_fields)
        # The record's struct begins with the fields of the properties' struct, in the same order.
        # So `properties(*astuple(record))` renames all fields. `_sent` is their number: what
        # follows in the record's struct (`properties`, `name`) is not sent as it is.
        self._sent = len(self._properties.__struct_fields__)
        # Custom properties may fill up what the limit leaves, even if some fields are null.
        self._room = MAX_PROPERTIES - self._sent - len(mapper.constants)
        # JSON without its braces, to be put in front of the other properties.
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
            The events, and the lines that must go the general way (`currents`, then `rules`).
        """
        done = Prepared()
        others: list[bytes] = []
        properties, head = self._properties, self._head
        has_custom_properties = self._prefix is not None
        # Bound once, because this loop runs for every record of every run.
        add_name, add_time = done.names.append, done.times.append
        add_body, add_line = done.bodies.append, done.lines.append
        for line, record in self._readable(lines, others, whole_messages=whole_messages):
            time, distinct_id = record.time, record.external_user_id
            # The checks of `rules` that the types do not make. The length comes first: it spares
            # lower-casing nearly every distinct_id.
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
                # Joined by hand: the head has {"event":…,"properties":{ and the constants, the
                # encoded struct loses its own opening brace, and one brace closes the event.
                name = self._name
                body = head + _encode(properties(*astuple(record)))[1:] + b"}"
            # Empty: `_with_custom_properties` was not sure. Too large: `rules` rejects it.
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
        """Yield lines with their records; add the lines that cannot be decoded to `others`."""
        decode = self._decode_message if whole_messages else self._decode_record
        for line in lines:
            try:
                record = decode(line)
            except UNREADABLE:
                others.append(line)
                continue
            yield line, record.record if whole_messages else record

    def _with_custom_properties(self, values: tuple[Any, ...]) -> tuple[str, bytes]:
        """Return name and JSON of a custom event or purchase; empty JSON if it is not ordinary."""
        name, head = self._name, self._head
        # After the fields that are sent: `properties`, and the name of an event that has its own.
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
        """Return the custom properties with their prefix; None if they are not ordinary."""
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
    """Return the fast lane of a mapper, or None if all its records must go the general way."""
    if not isinstance(mapper, CurrentsMapper) or mapper.documented_fields is None:
        return None
    if not mapper.event and mapper.event_type != CUSTOM_EVENT:
        return None  # the rules reject events without a name
    return FastLane(mapper, mapper.documented_fields)


def _record_struct(
    documented_fields: Sequence[tuple[str, str]], *, has_properties: bool, has_name: bool
) -> type[msgspec.Struct]:
    """Make the struct that a line is decoded into: first the fields that are sent, in order."""
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
    """Make the struct that is encoded: the fields that are sent, under Mixpanel's names.

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
