"""Events that the Custom HTTP connector pushed and somebody landed as JSON in the bucket.

A file is a body `{"events": [...]}`, a list of events, or one body or event after the other (a line
each, pretty-printed, or without anything between them as Firehose writes them), and may be gzipped.
The events are brought to the flat form of the storage schemas, so that they make the same records.

Values stay raw until they are needed: a file takes little more memory than its own size, and what
strict JSON forbids (broken UTF-8, half a surrogate pair, NaN) costs a character, not the file.
Source: Braze's page on the Custom HTTP connector.
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from isal import igzip
from msgspec import Raw

from braze_mixpanel.singer.lenient_json import strict_json
from tap_braze_currents.catalog.event_types import Field
from tap_braze_currents.formats.avro_container import BrokenFileError
from tap_braze_currents.formats.avro_decoding import Rows, Selection, convert

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

T = TypeVar("T")

_GZIP_MAGIC = b"\x1f\x8b"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_ROWS_AT_A_TIME = 2000
_PROPERTIES = frozenset({"custom_properties", "purchase_properties"})
"""Objects that the storage schemas hold as JSON text in `properties`."""
_AVRO_TYPES = {str: "string", bool: "boolean", int: "long", float: "double", list: "array<string>"}
_NUMBERS = frozenset({"long", "double"})
_LINE = re.compile(rb"[^\n]*\n|[^\n]+")
_NO_SPACE = re.compile(r"[^ \t\r\n]")


class _Object(msgspec.Struct):
    """Any object: what is in it does not matter."""


class _Event(msgspec.Struct):
    """What makes an object an event; the rest is skipped."""

    event_type: str
    id: str | int
    user: _Object | None = None
    properties: _Object | None = None


class _Body(msgspec.Struct):
    """A body; or an event, which has no `events`."""

    events: list[Raw] | msgspec.UnsetType | None = msgspec.UNSET


class _Place(NamedTuple):
    """Where in a file a JSON value begins."""

    line: int
    position: int

    def __str__(self) -> str:
        return f"line {self.line} (at byte {self.position})"


class _Found(NamedTuple):
    """An event, still raw."""

    event_type: str
    raw: Raw
    place: _Place
    number: int
    """Which event of that place's body."""


_NULL = Raw(b"null")
_value = msgspec.json.Decoder()
_members = msgspec.json.Decoder(dict[str, Raw] | None)
_event = msgspec.json.Decoder(_Event)
_body: msgspec.json.Decoder[list[Raw] | _Body] = msgspec.json.Decoder(list[Raw] | _Body)
_scan = json.JSONDecoder(strict=False).raw_decode
_encode_lines = msgspec.json.Encoder().encode_lines


def is_json(path: str) -> bool:
    """Tell whether a file holds JSON, by its name."""
    return not path.lower().endswith(".avro")


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
    """The events of one type in a landed file."""

    def __init__(self, content: bytes | memoryview, event_type: str) -> None:
        """Take the content; nothing is parsed yet."""
        self._content = content
        self._event_type = event_type
        self.of_other_types = 0
        """How many events of other types came among these."""

    def _own_events(self) -> Iterator[_Found]:
        for event in _events(self._content):
            if event.event_type == self._event_type:
                yield event
            else:
                self.of_other_types += 1

    def rows(
        self, selection: Selection, note_fields: Callable[[Sequence[Field]], None]
    ) -> Iterator[Rows]:
        """Give the events as flat records.

        Args:
            selection: What is wanted.
            note_fields: Is told of the fields of each event.

        Raises:
            BrokenFileError: The file is damaged, or holds something else than events.
        """
        records = (
            self._record(_flat(event), selection, note_fields) for event in self._own_events()
        )
        while some := list(islice(records, _ROWS_AT_A_TIME)):
            yield Rows(_encode_lines(some), len(some))

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
    """Bring a pushed event to the flat form of the storage schemas.

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


def _json_text(raw: Raw) -> Any:  # noqa: ANN401
    if bytes(raw).startswith((b'"', b"null")):  # it is text already, or nothing
        return _value.decode(raw)
    return msgspec.json.format(raw, indent=-1).decode()


def _flat(event: _Found) -> dict[str, Any]:
    try:
        return _leniently(flatten, event.raw)
    except (ValueError, RecursionError) as error:
        raise _broken(f"event {event.number} in {event.place}", error) from error


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
    data = _unzipped(memoryview(content))
    if data[: len(_BYTE_ORDER_MARK)] == _BYTE_ORDER_MARK:
        data = data[len(_BYTE_ORDER_MARK) :]
    for place, raws in _bodies(data):
        for number, raw in enumerate(raws, 1):
            try:
                event = _leniently(_event.decode, raw)
            except (ValueError, RecursionError) as error:
                raise _broken(f"event {number} in {place}", error) from error
            yield _Found(event.event_type, raw, place, number)


def _unzipped(content: memoryview) -> memoryview:
    if content[: len(_GZIP_MAGIC)] != _GZIP_MAGIC:
        return content
    try:
        return memoryview(igzip.decompress(content))  # type: ignore[no-untyped-call]
    except Exception as error:  # isal's own class cannot be named in a typed `except`
        raise BrokenFileError(f"it cannot be unzipped ({error})") from error


def _bodies(data: memoryview) -> Iterator[tuple[_Place, list[Raw]]]:
    """Yield the events of each JSON value of a file, still raw."""
    place = _Place(1, 0)
    with suppress(ValueError, RecursionError):
        yield place, _raw_events(data)
        return
    for number, found in enumerate(_LINE.finditer(data), 1):
        place = _Place(number, found.start())
        if bytes(found[0]).strip():
            try:
                events = _raw_events(found[0])
            except (msgspec.ValidationError, RecursionError) as error:
                raise _broken(str(place), error) from error
            except ValueError:
                break  # several lines are one value, or this one several, or it is not strict JSON
            yield place, events
    else:
        return
    yield from _concatenated(data, place)


def _concatenated(data: memoryview, place: _Place) -> Iterator[tuple[_Place, list[Raw]]]:
    text = str(data, "latin-1")  # a character for each byte, so that positions are the same
    line, position = place
    while found := _NO_SPACE.search(text, position):
        start = found.start()
        place = _Place(line + text.count("\n", position, start), start)
        try:
            _, position = _scan(text, start)
            events = _leniently(_raw_events, data[start:position])
        except (ValueError, RecursionError) as error:
            raise _broken(str(place), error) from error
        yield place, events
        line = place.line + text.count("\n", start, position)


def _raw_events(data: bytes | memoryview) -> list[Raw]:
    body = _body.decode(data)
    if isinstance(body, list):
        return body
    return [Raw(data)] if body.events is msgspec.UNSET else body.events or []


def _leniently(decode: Callable[[Any], T], data: bytes | memoryview | Raw) -> T:
    """Decode strictly; if that fails, once more without what strict JSON forbids."""
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decode(strict_json(bytes(data)))


def _broken(what: str, error: Exception) -> BrokenFileError:
    if isinstance(error, RecursionError):
        return BrokenFileError(f"{what} is nested too deeply")
    if isinstance(error, msgspec.ValidationError):
        return BrokenFileError(f"{what} is no Currents event ({error})")
    # Its own position, in a text that is part of the file, would only confuse.
    return BrokenFileError(f"{what} is no JSON ({getattr(error, 'msg', error)})")
