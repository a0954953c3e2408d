"""Events that the Custom HTTP connector pushed and that were stored as JSON in the bucket.

`json_text` finds them in the file. Here they get the flat form of the storage schemas, so that they
make the same records as Avro files.
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
"""Objects that the storage schemas hold as JSON text in `properties`."""
_AVRO_TYPES = {str: "string", bool: "boolean", int: "long", float: "double", list: "array<string>"}
_NUMBERS = frozenset({"long", "double"})


class _Object(msgspec.Struct):
    """Any object: what is in it does not matter."""


class _Event(msgspec.Struct):
    """What makes an object an event; the rest is skipped."""

    event_type: str
    id: str | int
    user: _Object | None = None
    properties: _Object | None = None


class _Found(NamedTuple):
    """An event, still raw."""

    event_type: str
    raw: Raw
    place: Place
    number: int
    """Which event of that place's body."""


_NULL = Raw(b"null")
_value = msgspec.json.Decoder()
_members = msgspec.json.Decoder(dict[str, Raw] | None)
_event = msgspec.json.Decoder(_Event)


def event_types(content: bytes | memoryview) -> list[str]:
    """Return the types of all events in a file, sorted.

    Raises:
        BrokenFileError: The file is damaged, or holds something else than events.
    """
    return sorted({event.event_type for event in _events(content)})


def fields(content: bytes | memoryview) -> dict[str, tuple[Field, ...]]:
    """Return the event types in a file with the fields that have a value in some event.

    Raises:
        BrokenFileError: The file is damaged, or holds something else than events.
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
        """Keep the content; nothing is parsed yet."""
        self._content = content
        self._stream = stream_id(event_type)
        self._is_own: dict[str, bool] = {}
        self.of_other_types = 0
        """How many events of other types came among these."""

    def _own_events(self) -> Iterator[_Found]:
        for event in _events(self._content):
            if self._is_of_stream(event.event_type):
                yield event
            else:
                self.of_other_types += 1

    def _is_of_stream(self, event_type: str) -> bool:
        """Report whether events of a type belong to the stream, however the type is spelled."""
        if event_type not in self._is_own:
            self._is_own[event_type] = stream_id(event_type) == self._stream
        return self._is_own[event_type]

    def rows(
        self, selection: Selection, note_fields: Callable[[Sequence[Field]], None]
    ) -> Iterator[Rows]:
        """Yield the events as flat records.

        Args:
            selection: What is wanted.
            note_fields: Is called with the fields of each event.

        Raises:
            BrokenFileError: The file is damaged, or holds something else than events.
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
        All fields on one level; the object of custom or purchase properties as the JSON text
        `properties`, its numbers as they were written.
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
    if bytes(raw).startswith((b'"', b"null")):  # it is text already, or nothing
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
    """Return the type that holds the values of both."""
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
