"""The JSON values of a file, and the events in each, still raw.

A file is a body `{"events": [...]}`, a list of events, or one body or event after the other: a line
each, pretty-printed, or without anything between them as Firehose writes them.

Values stay raw until they are needed: a file takes little more memory than its own size, and what
strict JSON forbids (broken UTF-8, half a surrogate pair, NaN) costs a character, not the file.
Every step takes time in proportion to the file.
"""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import msgspec
from msgspec import Raw

from braze_mixpanel.lenient_json import json_tokens, strict_json, without_marks
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import FREE_VALUES, JSON_DEPTH, VALUES_AN_EVENT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

_PIECE = 1 << 18
_BLANK_LINES = re.compile(rb"[ \t\r\n]*\n")
_LINE = re.compile(rb"[^\n]+\n?")
_BETWEEN = re.compile(rb"[ \t\r\n]*(?:\xef\xbb\xbf[ \t\r\n]*){,9}")
"""What may stand between two values; joined files have a byte order mark in the middle.

A group that may repeat without end keeps 50 bytes for each of its bytes."""
_BEGIN_A_VALUE = (b",", b"[", b"{")
_SCALAR = re.compile(rb"[^ \t\r\n{}\[\]\",:]+")


class _Body(msgspec.Struct):
    """A body; or an event, which has no `events`."""

    events: list[Raw] | msgspec.UnsetType | None = msgspec.UNSET


class Place(NamedTuple):
    """Where in a file a JSON value begins."""

    line: int
    position: int

    def __str__(self) -> str:
        """Return the place as messages name it."""
        return f"line {self.line} (at byte {self.position})"


_body: msgspec.json.Decoder[list[Raw] | _Body] = msgspec.json.Decoder(list[Raw] | _Body)


def event_bodies(data: memoryview) -> Iterator[tuple[Place, list[Raw]]]:
    """Yield the events of each JSON value of a file.

    Args:
        data: Text in UTF-8.

    Raises:
        BrokenFileError: Something else stands there, or more values than events have.
    """
    _require_few_values(data)
    place = Place(1, 0)
    with suppress(ValueError, RecursionError):
        yield place, _raw_events(data)
        return
    for place, found in _lines(data):
        line = without_marks(bytes(found).strip())
        if line:
            try:
                events = _raw_events(line)
            except (msgspec.ValidationError, RecursionError) as error:
                raise broken(str(place), error) from error
            except ValueError:
                break  # several lines are one value, or this one several, or it is not strict JSON
            yield place, events
    else:
        return
    yield from _concatenated(data, place)


def _lines(data: memoryview) -> Iterator[tuple[Place, memoryview]]:
    """Yield the lines that are not blank; many blank ones are passed over at once."""
    number = position = 0
    while True:
        start = _end_of(_BLANK_LINES, data, position)
        number += _newlines_in(data[position:start])
        found = _LINE.match(data, start)
        if not found:
            return
        position = found.end()
        yield Place(number + 1, start), data[start:position]
        number += 1


def _newlines_in(data: memoryview) -> int:
    return sum(piece.count(b"\n") for piece in _pieces(data))


def _pieces(data: memoryview) -> Iterator[bytes]:
    """Yield the data in pieces: as a whole, `bytes` would be a copy."""
    for start in range(0, len(data), _PIECE):
        yield bytes(data[start : start + _PIECE])


def _require_few_values(data: memoryview) -> None:
    """Check before parsing that the values of a file fit into memory."""
    if len(data) <= FREE_VALUES:
        return
    values = events = 0
    for piece in _pieces(data):
        values += sum(map(piece.count, _BEGIN_A_VALUE))
        events += piece.count(b"event_type")
    if values > FREE_VALUES + VALUES_AN_EVENT * events:
        raise BrokenFileError(f"it holds {values} values, more than its events can have")


def leniently(decode: Callable[[Any], T], data: bytes | memoryview | Raw) -> T:
    """Decode strictly; if that fails, once more without what strict JSON forbids."""
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decode(strict_json(bytes(data)))


def broken(what: str, error: Exception) -> BrokenFileError:
    """Return the error of a value that is no event; `what` says which."""
    if isinstance(error, RecursionError):
        return BrokenFileError(f"{what} is nested too deeply")
    if isinstance(error, msgspec.ValidationError):
        return BrokenFileError(f"{what} is no Currents event ({error})")
    # Its own position, in a text that is part of the file, would only confuse.
    return BrokenFileError(f"{what} is no JSON ({getattr(error, 'msg', error)})")


def _concatenated(data: memoryview, place: Place) -> Iterator[tuple[Place, list[Raw]]]:
    """Yield the events of values that are not a line each, from a place on."""
    line, position = place
    while True:
        start = _end_of(_BETWEEN, data, position)
        if start == len(data):
            return
        place = Place(line + _newlines_in(data[position:start]), start)
        position = _end_of_value(data, start)
        value = data[start:position]
        try:
            events = leniently(_raw_events, value)
        except (ValueError, RecursionError) as error:
            raise broken(str(place), error) from error
        yield place, events
        line = place.line + _newlines_in(value)


def _end_of(pattern: re.Pattern[bytes], data: memoryview, position: int) -> int:
    found = pattern.match(data, position)
    return found.end() if found else position


def _end_of_value(data: memoryview, start: int) -> int:
    """Find where the value ends that begins here: where its brackets are closed."""
    depth = 0
    for token in json_tokens(data, start):
        if not depth and token.start() > start:
            break  # the value is no object, list or text
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
            if depth > JSON_DEPTH:
                return len(data)  # no parser reads it; to look for its end would only take time
        elif mark in (b"}", b"]"):
            depth -= 1
        if depth <= 0:
            return token.end()
    return len(data) if depth else max(_end_of(_SCALAR, data, start), start + 1)


def _raw_events(data: bytes | memoryview) -> list[Raw]:
    body = _body.decode(data)
    if isinstance(body, list):
        return body
    return [Raw(data)] if body.events is msgspec.UNSET else body.events or []
