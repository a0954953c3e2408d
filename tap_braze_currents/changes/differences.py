"""Compare the newest files of a bucket with the registry of event types. Pure: no I/O."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.bucket.layout import shift
from tap_braze_currents.catalog.event_types import registry
from tap_braze_currents.formats.fields import json_type_of

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator

    from tap_braze_currents.catalog.event_types import EventType
    from tap_braze_currents.formats.fields import Field

STOPPED_HOURS: Final = 7 * 24
"""An event type has stopped when its newest file is a week older than the newest file of the
bucket. A shorter time would report rare types, which have files on some days only."""
_FIELDS_NAMED = 6


class Kind(enum.IntEnum):
    """The kinds of differences, in the order of the table."""

    NEW_TYPE = 0
    NEW_FIELD = 1
    CHANGED_FIELD = 2
    STOPPED = 3
    NOT_SELECTED = 4

    @property
    def words(self) -> str:
        """The name of the kind in the table."""
        return self.name.lower().replace("_", " ")


@dataclass(frozen=True)
class NewestFile:
    """The newest file of an event type.

    Attributes:
        event_type: The event type in the spelling of the bucket.
        fields: The fields of the file, or None if it cannot be read.
        hour: The hour of its folder, such as `2026-11-01-13`. Empty in a layout without hours.
    """

    event_type: str
    fields: tuple[Field, ...] | None
    hour: str

    @property
    def stream_id(self) -> str:
        """The id of the stream. Event types that differ only in letter case share one stream."""
        return stream_id(self.event_type)


@dataclass(frozen=True)
class Difference:
    """One difference between the bucket and the registry.

    Attributes:
        kind: The kind of difference.
        event_type: The event type.
        detail: A short text for the table.
        field: The field that differs. Empty if the difference concerns the whole event type.
        was: The Avro type of the field in the registry. Empty for a new field.
    """

    kind: Kind
    event_type: str
    detail: str = ""
    field: str = ""
    was: str = ""

    def is_in(self, fields: Iterable[Field]) -> bool:
        """Return whether a file with these fields shows the difference too."""
        if not self.field:
            return True
        found = next((field for field in fields if field.name == self.field), None)
        return found is not None and not (self.was and fits(found.type, self.was))


def find_differences(
    newest: Iterable[NewestFile], selected: Container[str] | None
) -> list[Difference]:
    """Compare the newest files with the registry.

    Args:
        newest: The newest file of each event type.
        selected: The ids of the selected streams, or None if all are selected.

    Returns:
        The differences in the order of the table.
    """
    files = list(newest)
    known = {event_type.stream_id: event_type for event_type in registry().values()}
    last = max((file.hour for file in files), default="")
    found = [
        difference
        for file in files
        for difference in _differences(
            file,
            known.get(file.stream_id),
            has_stopped=bool(file.hour) and file.hour < shift(last, -STOPPED_HOURS),
            is_selected=selected is None or file.stream_id in selected,
        )
    ]
    return sorted(found, key=lambda one: (one.kind, one.event_type.lower(), one.field))


def _differences(
    file: NewestFile, known: EventType | None, *, has_stopped: bool, is_selected: bool
) -> Iterator[Difference]:
    name = file.event_type
    if known is None:
        yield Difference(Kind.NEW_TYPE, name, _listed(file.fields, is_selected=is_selected))
    elif file.fields is not None:
        yield from _field_differences(name, known, file.fields)
    if has_stopped:
        withdrawn = known is not None and not any(field.current for field in known.fields)
        yield Difference(Kind.STOPPED, name, "Braze has withdrawn it" if withdrawn else "")
    if known is not None and not is_selected:
        yield Difference(Kind.NOT_SELECTED, name)


def _field_differences(
    name: str, known: EventType, fields: Iterable[Field]
) -> Iterator[Difference]:
    types = {field.name: field for field in known.fields}
    for field in fields:
        before = types.get(field.name)
        if before is None:
            yield Difference(Kind.NEW_FIELD, name, f"{field.name}: {field.type}", field.name)
        elif not fits(field.type, before.type):
            word = "announced as" if before.announced else "was"
            detail = f"{field.name}: {field.type}, {word} {before.type}"
            yield Difference(Kind.CHANGED_FIELD, name, detail, field.name, before.type)


def fits(found: str, known: str) -> bool:
    """Return whether values of one Avro type are valid for a field known with another type.

    `long` values are valid for an `int` field, and whole numbers for a `double` field.

    Args:
        found: The Avro type in the file.
        known: The Avro type in the registry.
    """
    if found.startswith("array<") and known.startswith("array<"):
        found, known = found[len("array<") : -1], known[len("array<") : -1]
    pair = (json_type_of(found), json_type_of(known))
    return pair[0] == pair[1] or pair == ("integer", "number")


def _listed(fields: tuple[Field, ...] | None, *, is_selected: bool) -> str:
    if fields is None:
        return "its newest file cannot be read"
    names = [field.name for field in fields]
    more = ", …" if len(names) > _FIELDS_NAMED else ""
    text = f"{len(names)} fields: {', '.join(names[:_FIELDS_NAMED])}{more}"
    return text if is_selected else f"not selected; {text}"


def never_seen(newest: Iterable[NewestFile]) -> int:
    """Return how many event types of the registry have no file in the bucket."""
    there = {file.stream_id for file in newest}
    return sum(event_type.stream_id not in there for event_type in registry().values())


def summary(differences: Iterable[Difference]) -> str:
    """Return one line with the number of event types for each kind of difference."""
    types: dict[Kind, set[str]] = {}
    for one in differences:
        types.setdefault(one.kind, set()).add(one.event_type)
    parts = [_COUNTED[kind].format(len(types[kind])) for kind in Kind if kind in types]
    return ", ".join(parts) or "nothing differs"


_COUNTED: Final = {
    Kind.NEW_TYPE: "{} not known here",
    Kind.NEW_FIELD: "{} with new fields",
    Kind.CHANGED_FIELD: "{} with changed fields",
    Kind.STOPPED: "{} that stopped",
    Kind.NOT_SELECTED: "{} not selected",
}
