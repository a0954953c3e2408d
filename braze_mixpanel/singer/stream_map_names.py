"""Find names in the setting `stream_maps` that have no effect. Pure.

A map that removes a field protects personal data. With a misspelt name it does nothing, and no
other check would find that.
"""

from __future__ import annotations

import difflib
from collections import defaultdict
from fnmatch import fnmatch
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_SOURCE: Final = "__source__"
_CLOSE: Final = 0.8
_REMOVED: Final = (None, "__NULL__")


class MapUse:
    """Track which streams and removed fields in `stream_maps` exist in the input."""

    def __init__(self, stream_maps: Mapping[str, Any] | None) -> None:
        """Start without streams.

        Args:
            stream_maps: The setting.
        """
        maps = {key: value for key, value in (stream_maps or {}).items() if key[:2] != "__"}
        self._sources: dict[str, str] = {
            key: str(value.get(_SOURCE, key)) if isinstance(value, dict) else key
            for key, value in maps.items()
        }
        self._fields: dict[str, set[str]] = {
            key: {field for field, to in value.items() if to in _REMOVED and field[:2] != "__"}
            for key, value in maps.items()
            if isinstance(value, dict)
        }
        """Key of the setting → the fields that it removes and that were not in the input yet."""
        self._unmatched = set(maps)
        self._streams: set[str] = set()
        self._keys_of: dict[str, list[str]] = defaultdict(list)
        self._some_fields: dict[str, set[str]] = defaultdict(set)

    def saw_stream(self, stream: str, fields: Iterable[str] | None) -> None:
        """Note a stream.

        Args:
            stream: The name of the stream, before stream maps.
            fields: The fields in the schema, or None if they are not known.
        """
        self._streams.add(stream)
        declared = None if fields is None else set(fields)
        for key, source in self._sources.items():
            if stream != source and not fnmatch(stream, source):
                continue
            self._unmatched.discard(key)
            if key not in self._keys_of[stream]:
                self._keys_of[stream].append(key)
            if declared is None:
                self._fields.pop(key, None)
            elif key in self._fields:
                self._fields[key] -= declared
                self._some_fields[key] |= declared

    def near_misses(self, stream: str) -> list[str]:
        """Return streams in the setting that did not come yet and have a name like this stream.

        This is not an error before the end of the input, because such a stream may still come.
        """
        if self._keys_of[stream]:
            return []
        names = sorted({self._sources[key] for key in self._unmatched})
        return difflib.get_close_matches(stream, names, n=1, cutoff=_CLOSE)

    def doubts(self, stream: str) -> list[str]:
        """Return a warning for each near miss of a stream, see `near_misses`."""
        return [
            f"Setting stream_maps has no map for stream {stream}, but one for {name}. Is that "
            f"misspelt? The records of {stream} are sent without a map."
            for name in self.near_misses(stream)
        ]

    def saw_record(self, stream: str, record: Mapping[str, Any], *, closed: bool) -> None:
        """Note a record before it is mapped.

        Args:
            stream: The name of the stream.
            record: The record.
            closed: Whether the schema of the stream lists all fields.

        Raises:
            SettingsError: A map removes a field that is neither in the schema nor in this record.
        """
        for key in self._keys_of[stream]:
            fields = self._fields.get(key)
            if not fields:
                continue
            fields.difference_update(record)
            if fields and closed and self._sources[key] == stream:
                raise SettingsError(self._field_without_effect(key, min(fields)))

    def find_unused(self) -> list[str]:
        """Return one sentence for each name that has no effect."""
        found = [
            f"Setting stream_maps: no stream is named {self._sources[key]}"
            f"{_hint(self._sources[key], self._streams)}."
            for key in sorted(self._unmatched)
        ]
        found += [
            self._field_without_effect(key, field)
            for key, fields in sorted(self._fields.items())
            if key not in self._unmatched
            for field in sorted(fields)
        ]
        return found

    def _field_without_effect(self, key: str, field: str) -> str:
        return (
            f"Setting stream_maps: {key} removes the field {field}, which no record has"
            f"{_hint(field, self._some_fields[key])}."
        )


def names_without_effect(sentences: Iterable[str], consequence: str) -> SettingsError | None:
    """Return the error about names without effect, or None if there are none.

    Args:
        sentences: One sentence for each name.
        consequence: What has happened so far, and what to do.
    """
    text = " ".join(sentences)
    return SettingsError(f"{text} {consequence}") if text else None


def require_used_maps(
    stream_maps: Mapping[str, Any] | None, streams: Mapping[str, Iterable[str] | None]
) -> None:
    """Refuse a tap's stream maps for streams or fields that do not exist, before any record.

    Args:
        stream_maps: The setting.
        streams: Each stream that there is, with its fields; None if they are not known.

    Raises:
        SettingsError: There are such maps.
    """
    use = MapUse(stream_maps)
    for stream, fields in streams.items():
        use.saw_stream(stream, fields)
    if unused := names_without_effect(
        use.find_unused(), "No record was written. Correct the name or remove it."
    ):
        raise unused


def unmatched_names(setting: str, names: Iterable[str], known: Iterable[str]) -> list[str]:
    """Return one sentence for each name in a setting that the input does not have.

    Args:
        setting: The name of the setting.
        names: The names in the setting.
        known: The names in the input.
    """
    there = set(known)
    return [
        f"Setting {setting}: nothing in the input is named {name}{_hint(name, there)}."
        for name in names
        if name not in there
    ]


def has_map(stream: str, stream_maps: Mapping[str, Any] | None) -> bool:
    """Return whether `stream_maps` has a map for a stream, which may give it another name."""
    sources = (
        str(value.get(_SOURCE, key)) if isinstance(value, dict) else key
        for key, value in (stream_maps or {}).items()
    )
    return any(fnmatch(stream, source) for source in sources)


def is_closed(schema: Mapping[str, Any]) -> bool:
    """Return whether a JSON Schema lists all fields of the records."""
    more = schema.get("additionalProperties") or schema.get("patternProperties")
    return bool(schema.get("properties")) and not more


def _hint(name: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(name, sorted(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
