"""The part of the report about the input: what was read where, and which event types came."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braze_mixpanel.report.page import Link, Listing, link_to
from braze_mixpanel.singer.currents_streams import EVENT_TYPE_ANNOTATION, stream_id
from target_mixpanel.mapping.currents import (
    documented_mapping,
    event_name,
    event_type_of_annotation,
    event_type_of_stream,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from collections.abc import Set as AbstractSet

    from braze_mixpanel.singer.bucket_read import BucketRead

_HOUR_FORMAT = "%Y-%m-%d-%H"


@dataclass(frozen=True)
class Input:
    """Describe the input of the run.

    Attributes:
        schemas: Stream → its SCHEMA message. A tap writes one for each stream that is selected.
        with_records: Streams with at least one record.
        bucket: What tap-braze-currents has read; None if the input is another tap's, or something
            between tap and target drops the note.
    """

    schemas: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    with_records: AbstractSet[str] = frozenset()
    bucket: BucketRead | None = None


def what_was_read(given: Input) -> list[Listing]:
    """List bucket, files and hours; nothing if the tap did not name them."""
    read = given.bucket
    if read is None:
        return []
    rows: list[tuple[str, str | Link]] = [
        ("Bucket", link_to(read.source) if Path(read.source).is_absolute() else read.source),
        ("Files", f"{read.files:,}" if read.files else "none: nothing was new"),
    ]
    if hours := _hours(read):
        rows.append(("Hours", hours))
    return [Listing("What was read", rows)]


def event_types(given: Input) -> list[Listing]:
    """List the event types by whether they are selected, and came; nothing for other streams."""
    selected = _event_types(given)
    return [Listing("Event types", list(_groups(selected, given)))] if selected else []


def _hours(read: BucketRead) -> str:
    """Name the time from the beginning of the oldest hour to the end of the newest."""
    try:
        first, last = (
            datetime.strptime(hour, _HOUR_FORMAT).replace(tzinfo=timezone.utc)
            for hour in (read.first_hour, read.last_hour)
        )
        end = last + timedelta(hours=1)
    except (ValueError, OverflowError):
        return ""
    return f"{first:%d %b %Y, %H:%M} to {end:%d %b %Y, %H:%M} UTC"


def _event_types(given: Input) -> dict[str, str]:
    """Return the streams of Braze Currents with their event types."""
    found = {}
    for stream, message in given.schemas.items():
        annotated = event_type_of_annotation(message["schema"].get(EVENT_TYPE_ANNOTATION))
        if event_type := annotated or event_type_of_stream(stream):
            found[stream] = event_type
    return found


def _groups(selected: Mapping[str, str], given: Input) -> Iterator[tuple[str, str]]:
    """Yield a label and the names of its event types, for each group with some."""
    came = {kind for stream, kind in selected.items() if stream in given.with_records}
    others = given.bucket.others if given.bucket else []
    more = given.bucket.others_count - len(others) if given.bucket else 0
    known = {stream_id(kind) for kind in (*selected.values(), *others)}
    native = {
        kind
        for kind, entry in documented_mapping().items()
        if entry.get("native") and stream_id(kind) not in known
    }
    not_there = " and not in the bucket" if given.bucket else ""
    for label, kinds, left_out in (
        ("selected, with records", came, 0),
        ("selected, without records", set(selected.values()) - came, 0),
        ("in the bucket and not selected", others, max(0, more)),
        (f"of Braze's own connector, not selected{not_there}", native, 0),
    ):
        if kinds:
            names = _names(kinds) + (f" and {left_out:,} more" if left_out else "")
            yield f"{len(kinds) + left_out:,} {label}", names


def _names(event_types: Iterable[str]) -> str:
    return ", ".join(sorted({event_name(kind) for kind in event_types}))
