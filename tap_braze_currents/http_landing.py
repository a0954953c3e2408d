"""Events that the Custom HTTP connector pushed and somebody landed as JSON in the bucket.

A file is a body `{"events": [...]}`, a list of events, or one body or event a line, and may be
gzipped. The events are brought to the flat form of the storage schemas, so that they make the same
records.
Source: Braze's page on the Custom HTTP connector.
"""

from __future__ import annotations

import zlib
from itertools import islice
from typing import TYPE_CHECKING, Any

import msgspec
from isal import igzip

from tap_braze_currents.avro import BrokenFileError
from tap_braze_currents.decoding import Rows, Selection, convert
from tap_braze_currents.event_types import Field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

_GZIP_MAGIC = b"\x1f\x8b"
_ROWS_AT_A_TIME = 2000
_PROPERTIES = frozenset({"custom_properties", "purchase_properties"})
"""Objects that the storage schemas hold as JSON text in `properties`."""
_AVRO_TYPES = {str: "string", bool: "boolean", int: "long", float: "double", list: "array<string>"}

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_encode_lines = msgspec.json.Encoder().encode_lines


def is_json(path: str) -> bool:
    """Tell whether a file holds JSON, by its name."""
    return not path.lower().endswith(".avro")


def event_types(content: bytes | memoryview) -> list[str]:
    """Return the types of all events in a file, sorted.

    Raises:
        BrokenFileError: The file is damaged, or holds something else than events.
    """
    return sorted({event["event_type"] for event in _events(content)})


class JsonFile:
    """The events of one type in a landed file."""

    def __init__(self, content: bytes | memoryview, event_type: str) -> None:
        """Take the content; nothing is parsed yet."""
        self._content = content
        self._event_type = event_type

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
            self._record(flatten(event), selection, note_fields)
            for event in _events(self._content)
            if event["event_type"] == self._event_type
        )
        while some := list(islice(records, _ROWS_AT_A_TIME)):
            yield Rows(_encode_lines(some), len(some))

    @staticmethod
    def _record(
        flat: dict[str, Any], selection: Selection, note_fields: Callable[[Sequence[Field]], None]
    ) -> dict[str, Any]:
        fields = [
            Field(name, _AVRO_TYPES.get(type(value), "other"))
            for name, value in flat.items()
            if value is not None
        ]
        note_fields(fields)
        types = dict.fromkeys(flat, "string") | {field.name: field.type for field in fields}
        record = {
            name: convert(value, types[name], selection.types[name])
            for name, value in flat.items()
            if name in selection.types
        }
        return record | dict.fromkeys(selection.missing(list(flat)))


def flatten(event: dict[str, Any]) -> dict[str, Any]:
    """Bring a pushed event to the flat form of the storage schemas.

    Args:
        event: With `id`, `time`, and the objects `user` and `properties`.

    Returns:
        All fields on one level; the object of custom or purchase properties as the JSON text
        `properties`.
    """
    flat = {
        name: value
        for name, value in event.items()
        if name not in {"event_type", "user", "properties"}
    }
    flat |= event.get("user") or {}
    for name, value in (event.get("properties") or {}).items():
        if name in _PROPERTIES:
            flat["properties"] = value if isinstance(value, str) else _encode(value).decode()
        else:
            flat[name] = value
    return flat


def _events(content: bytes | memoryview) -> Iterator[dict[str, Any]]:
    for where, value in _values(_unzipped(bytes(content))):
        events = value
        if isinstance(value, dict):
            events = value.get("events", [value])
        if not isinstance(events, list) or not all(map(_is_event, events)):
            raise BrokenFileError(f"{where} is no Currents event (event_type and id are missing)")
        yield from events


def _is_event(value: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(value, dict)
        and isinstance(value.get("event_type"), str)
        and isinstance(value.get("user") or {}, dict)
        and isinstance(value.get("properties") or {}, dict)
    )


def _unzipped(content: bytes) -> bytes:
    if not content.startswith(_GZIP_MAGIC):
        return content
    try:
        data: bytes = igzip.decompress(content)  # type: ignore[no-untyped-call]
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise BrokenFileError(f"it cannot be unzipped ({error})") from error
    return data


def _values(text: bytes) -> Iterator[tuple[str, Any]]:
    """Yield the file's only JSON value, or that of each line."""
    try:
        yield "the content", _decode(text)
    except msgspec.DecodeError as error:
        lines = text.splitlines()
        if len(lines) == 1:
            raise BrokenFileError(f"its content is no JSON: {error}") from error
    else:
        return
    position = 0
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                value = _decode(line)
            except msgspec.DecodeError as error:
                raise BrokenFileError(
                    f"line {number} (at byte {position}) is no JSON: {error}"
                ) from error
            yield f"line {number}", value
        position += len(line) + 1
