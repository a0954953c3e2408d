"""Convert errors of stream maps and flattening to a one-line message that names the stream.

For some mistakes the SDK raises its own exceptions, for others it lets Python's exceptions pass.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import msgspec
from singer_sdk.exceptions import MapExpressionError, MappingError

from braze_mixpanel.errors import ConnectorError, SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from singer_sdk.mapper import StreamMap

_MISTAKES = (
    MappingError,
    ValueError,  # flattening gives two fields one name
    TypeError,  # a map that is neither text nor null
    IndexError,  # an empty expression
    AttributeError,
    NotImplementedError,  # an `__else__` that is not null
)


_HOLDERS = (list, tuple, dict)
_MOST_MAPPED_BYTES = 64 << 20
"""Most that the lists and objects of one mapped record may hold, as `require_bounded` counts."""

_ON_EVERY_RECORD = frozenset({"FunctionNotDefined", "OperatorNotDefined", "FeatureNotAvailable"})
"""Errors of simpleeval about the expression itself, which occur with every record."""


class UnmappedRecordError(SettingsError):
    """A map fails on this record, or its result is too large. Other records may be fine."""


class UnmappedRecords:
    """Count the records that a map could not process."""

    def __init__(self) -> None:
        """Start with the count at zero."""
        self.count = 0
        self._first = ""

    def add(self, error: UnmappedRecordError) -> None:
        """Count a record."""
        self.count += 1
        self._first = self._first or str(error)

    def in_words(self) -> str:
        """Return a sentence with the number of records and the first error."""
        are = "record is" if self.count == 1 else "records are"
        return f"{self.count} {are} left out. {self._first}"


@contextmanager
def setting_up_maps(stream: str | None = None) -> Iterator[None]:
    """Convert errors while stream maps are set up.

    Args:
        stream: The name of the stream. None: the maps of all streams are being read.

    Raises:
        SettingsError: The maps cannot be set up.
    """
    try:
        yield
    except _MISTAKES as error:
        where = f"for stream {stream}" if stream else "as they are"
        raise SettingsError(
            f"The settings stream_maps and flattening_… cannot be used {where}: "
            f"{_one_line(error)}. Fix the expression or the name there."
        ) from error


@contextmanager
def applying_map(stream_map: StreamMap) -> Iterator[None]:
    """Convert errors while a record is mapped. The message has the expression, but no data.

    Args:
        stream_map: The stream map.

    Raises:
        UnmappedRecordError: The map fails on this record.
        SettingsError: The map fails on every record.
    """
    try:
        yield
    except ConnectorError:
        raise
    except Exception as error:
        kind = UnmappedRecordError if _lies_with_record(error, stream_map) else SettingsError
        cause = error.__cause__ if isinstance(error, MapExpressionError) else None
        raise kind(
            f"Setting stream_maps: {_expression(stream_map)} fails on a record of stream "
            f"{stream_map.stream_alias} ({type(cause or error).__name__}). Fix it there, so that "
            "it takes every record, also one with a null, or leave such records out by __filter__."
        ) from error


def map_record(stream_map: StreamMap, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return a mapped record.

    Returns:
        The mapped record, or None if the map filters it out.

    Raises:
        UnmappedRecordError: The map fails on this record, or its result is too large or is not
            possible in JSON.
        SettingsError: The map fails on every record.
    """
    with applying_map(stream_map):
        record = stream_map.transform(dict(values))
        require_bounded(record)
        msgspec.json.encode(record)  # a map can return a function, or a number too large
        return record


def require_bounded(record: Mapping[str, Any] | None) -> None:
    """Refuse a result that is small in memory and huge as text.

    `[[[1] * 1000] * 1000] * 1000` has only three lists in memory, but two gigabytes of JSON. So a
    list counts each time it is referenced: 16 bytes for each value, and the length of its texts.

    Args:
        record: What a map made; None if it filtered the record.

    Raises:
        OverflowError: The result is larger than `_MOST_MAPPED_BYTES`.
    """
    waiting = [one for one in (record or {}).values() if isinstance(one, _HOLDERS)]
    size = 0
    while waiting:
        held = waiting.pop()
        values = held.values() if isinstance(held, dict) else held
        size += 16 * len(held) + sum(len(one) for one in values if isinstance(one, str))
        if size > _MOST_MAPPED_BYTES:
            raise OverflowError
        waiting += [one for one in values if isinstance(one, _HOLDERS)]


def _lies_with_record(error: Exception, stream_map: StreamMap) -> bool:
    """Return whether a map fails because of this record, and not with every record."""
    if not isinstance(error, MappingError):
        return True  # Python's own error about a value, such as the hash of a null
    cause = error.__cause__
    kind = type(cause).__name__
    if kind == "NameNotDefined":
        return getattr(cause, "name", None) in stream_map.raw_schema["properties"]
    # A number or text that grows too large, or an attribute that this value lacks.
    return cause is not None and kind not in _ON_EVERY_RECORD


def _expression(stream_map: StreamMap) -> str:
    """Return the expression that was evaluated last, for the message."""
    text = getattr(getattr(stream_map, "expr_evaluator", None), "expr", "")
    return f"the expression {' '.join(text.split())}" if text else "the map"


def _one_line(error: Exception) -> str:
    """Return the SDK's message. It has settings and field names, but no data of a record."""
    if isinstance(error, IndexError):  # the SDK looks at the first letter of an expression
        return "an expression is empty"
    return " ".join(str(error).split()).rstrip(".") or type(error).__name__
