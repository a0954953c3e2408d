"""Read events that Braze's Custom HTTP connector pushed and that were stored as JSON files.

`json_text` finds the events in a file. This module flattens them to the form of the storage
schemas, so that they give the same records as Avro files.
Source: Braze's page on the Custom HTTP connector.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
from msgspec import Raw

from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.formats.content import in_utf8, unzipped
from tap_braze_currents.formats.fields import Field
from tap_braze_currents.formats.json_text import Place, broken, event_bodies, leniently
from tap_braze_currents.formats.records import Rows, Selection, convert, encode_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_ROWS_AT_A_TIME = 2000
_PROPERTIES = frozenset({"custom_properties", "purchase_properties"})
"""Objects that the storage schemas hold as a JSON string in the field `properties`."""
_AVRO_TYPES = {str: "string", bool: "boolean", int: "long", float: "double", list: "array<string>"}
_NUMBERS = frozenset({"long", "double"})


class _Object(msgspec.Struct):
    """Any JSON object. Its members are not decoded."""


class _Event(msgspec.Struct):
    """The members that an event must have, with their types. Other members are skipped."""

    event_type: str
    id: str | int
    user: _Object | None = None
    properties: _Object | None = None


class _Found(NamedTuple):
    """An event of a file, not decoded yet."""

    event_type: str
    raw: Raw
    place: Place
    """Where the body of the event begins."""
    number: int
    """The number of the event in the body, from 1."""


_NULL = Raw(b"null")
_value = msgspec.json.Decoder()
_members = msgspec.json.Decoder(dict[str, Raw] | None)
_event = msgspec.json.Decoder(_Event)


def event_types(content: bytes | memoryview) -> list[str]:
    """Return the event types in a file, sorted.

    Raises:
        BrokenFileError: The file is damaged, or holds values that are not events.
    """
    return sorted({event.event_type for event in _events(content)})


def fields(content: bytes | memoryview) -> dict[str, tuple[Field, ...]]:
    """Return the event types in a file, with the fields that are not null in at least one event.

    Raises:
        BrokenFileError: The file is damaged, or holds values that are not events.
    """
    found: dict[str, dict[str, str]] = {}
    for event in _events(content):
        types = found.setdefault(event.event_type, {})
        for field in _fields(_flat(event)):
            types[field.name] = _common(types.get(field.name, field.type), field.type)
    return {name: tuple(Field(*item) for item in types.items()) for name, types in found.items()}


class JsonFile:
    """The events of one stream in a file."""

    def __init__(self, content: bytes | memoryview, event_type: str) -> None:
        """Keep the content. This parses nothing.

        Args:
            content: The whole file.
            event_type: The event type of the stream.
        """
        self._content = content
        self._stream = stream_id(event_type)
        self._is_own: dict[str, bool] = {}
        self.of_other_types = 0
        """The number of skipped events of other types, once `rows` is exhausted."""

    def _own_events(self) -> Iterator[_Found]:
        for event in _events(self._content):
            if self._is_of_stream(event.event_type):
                yield event
            else:
                self.of_other_types += 1

    def _is_of_stream(self, event_type: str) -> bool:
        """Return whether events of a type belong to the stream. Letter case does not matter."""
        if event_type not in self._is_own:
            self._is_own[event_type] = stream_id(event_type) == self._stream
        return self._is_own[event_type]

    def rows(
        self, selection: Selection, note_fields: Callable[[Sequence[Field]], None]
    ) -> Iterator[Rows]:
        """Yield the events as flat records.

        Args:
            selection: The fields to return, with their JSON types.
            note_fields: Called with the fields of each event.

        Raises:
            BrokenFileError: The file is damaged, or holds values that are not events.
        """
        records = (
            self._record(_flat(event), selection, note_fields) for event in self._own_events()
        )
        while some := list(islice(records, _ROWS_AT_A_TIME)):
            yield Rows(encode_lines(some), len(some))

    @staticmethod
    def _record(
        flat: dict[str, Any], selection: Selection, note_fields: Callable[[Sequence[Field]], None]
    ) -> dict[str, Any]:
        fields = _fields(flat)
        note_fields(fields)
        types = dict.fromkeys(flat, "string") | {field.name: field.type for field in fields}
        record = {
            name: convert(value, types[name], selection.types[name])
            for name, value in flat.items()
            if name in selection.types
        }
        return record | dict.fromkeys(selection.missing(list(flat)))


def flatten(event: bytes | Raw) -> dict[str, Any]:
    """Return a pushed event in the flat form of the storage schemas.

    Args:
        event: JSON with `id`, `time`, and the objects `user` and `properties`.

    Returns:
        All fields on one level. The object of custom or purchase properties becomes the field
        `properties`, a JSON string with the numbers exactly as they were written.
    """
    members = _members.decode(event) or {}
    members.pop("event_type", None)
    user, properties = members.pop("user", _NULL), members.pop("properties", _NULL)
    flat = {name: _value.decode(raw) for name, raw in members.items()}
    flat |= _value.decode(user) or {}
    for name, raw in (_members.decode(properties) or {}).items():
        if name in _PROPERTIES:
            flat["properties"] = _json_text(raw)
        else:
            flat[name] = _value.decode(raw)
    return flat


def _json_text(raw: Raw) -> object:
    if bytes(raw).startswith((b'"', b"null")):  # already a string, or null
        return _value.decode(raw)
    return msgspec.json.format(raw, indent=-1).decode()


def _flat(event: _Found) -> dict[str, Any]:
    try:
        return leniently(flatten, event.raw)
    except (ValueError, RecursionError) as error:
        raise broken(f"event {event.number} in {event.place}", error) from error


def _fields(flat: dict[str, Any]) -> list[Field]:
    return [
        Field(name, _AVRO_TYPES.get(type(value), "other"))
        for name, value in flat.items()
        if value is not None
    ]


def _common(one: str, other: str) -> str:
    """Return the Avro type that can hold values of both types."""
    if one == other:
        return one
    return "double" if {one, other} == _NUMBERS else "other"


def _events(content: bytes | memoryview) -> Iterator[_Found]:
    for place, raws in event_bodies(in_utf8(unzipped(content))):
        for number, raw in enumerate(raws, 1):
            try:
                event = leniently(_event.decode, raw)
            except (ValueError, RecursionError) as error:
                raise broken(f"event {number} in {place}", error) from error
            yield _Found(event.event_type, raw, place, number)
