"""Find the JSON values of a file, and the events in each value. The events are not decoded yet.

A file holds a body `{"events": [...]}`, a list of events, or several bodies or events: on one line
each, pretty-printed, or with nothing between them, as Amazon Data Firehose writes them.

Events stay raw bytes until they are needed, so a file needs little more memory than its own size.
Text that strict JSON forbids (broken UTF-8, half a surrogate pair, NaN) costs a character and not
the file. The time of every step is proportional to the size of the file.
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
    """A body with events, or an event itself, which has no member `events`."""

    events: list[Raw] | msgspec.UnsetType | None = msgspec.UNSET


class Place(NamedTuple):
    """The position at which a JSON value begins."""

    line: int
    """The line number, from 1."""
    position: int
    """The byte position, from 0."""

    def __str__(self) -> str:
        """Return the place as text for messages."""
        return f"line {self.line} (at byte {self.position})"


_body: msgspec.json.Decoder[list[Raw] | _Body] = msgspec.json.Decoder(list[Raw] | _Body)


def event_bodies(data: memoryview) -> Iterator[tuple[Place, list[Raw]]]:
    """Yield the events of each JSON value of a file.

    Args:
        data: Text in UTF-8.

    Raises:
        BrokenFileError: The text is not JSON with events, or has more values than its events can
            have.
    """
    # Three attempts, the fastest first: the file as one value, then one value for each line, and
    # from the first line that is not a complete value, a search for the end of each value.
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
                # The value has several lines, or the line has several values, or the JSON is not
                # strict.
                break
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
    """Raise if a file has so many values that they would not fit into memory.

    This runs before the parser: it estimates the number of values from the number of commas.
    """
    if len(data) <= FREE_VALUES:
        return
    values = events = 0
    for piece in _pieces(data):
        values += sum(map(piece.count, _BEGIN_A_VALUE))
        events += piece.count(b"event_type")
    if values > FREE_VALUES + VALUES_AN_EVENT * events:
        raise BrokenFileError(f"it holds {values} values, more than its events can have")


def leniently(decode: Callable[[Any], T], data: bytes | memoryview | Raw) -> T:
    """Decode JSON. If it is not strict JSON, replace the forbidden parts and decode again."""
    try:
        return decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return decode(strict_json(bytes(data)))


def broken(what: str, error: Exception) -> BrokenFileError:
    """Return the error for a value that is not an event. `what` names the value in the message."""
    if isinstance(error, RecursionError):
        return BrokenFileError(f"{what} is nested too deeply")
    if isinstance(error, msgspec.ValidationError):
        return BrokenFileError(f"{what} is not a Currents event ({error})")
    # `msg` leaves out the error's own position: it counts from the beginning of the value, not of
    # the file.
    return BrokenFileError(f"{what} is not JSON ({getattr(error, 'msg', error)})")


def _concatenated(data: memoryview, place: Place) -> Iterator[tuple[Place, list[Raw]]]:
    """Yield the events of values that are not on one line each, from a place on."""
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
    """Return the position after the value that begins at `start`: where its brackets close."""
    depth = 0
    for token in json_tokens(data, start):
        if not depth and token.start() > start:
            break  # the value is a number or a word, not an object, list or string
        mark = token[0]
        if mark in (b"{", b"["):
            depth += 1
            if depth > JSON_DEPTH:
                return len(data)  # no parser reads such a value, so its end does not matter
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
