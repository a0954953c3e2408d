"""Send a record through the stream maps of its stream, and the results to the sinks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Protocol

import msgspec
from singer_sdk.mapper import RemoveRecordTransform

from braze_mixpanel.singer.stream_map_errors import UnmappedRecordError, map_record
from target_mixpanel.mapping.event import RejectedEvent
from target_mixpanel.mapping.rules import TOO_LARGE
from target_mixpanel.sending.batches import Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from singer_sdk.mapper import StreamMap

    from braze_mixpanel.singer.message_reader import TooLargeRecordError
    from target_mixpanel.run.pipeline import Pipeline
    from target_mixpanel.sending.batches import Origin

FILTERED: Final = "filtered by stream_maps"
UNMAPPED: Final = "stream_maps cannot be applied"


class MappedSink(Protocol):
    """Receive the records that a stream map returns."""

    def take_mapped(self, record: dict[str, Any], origin: Origin) -> None:
        """Take a record after stream maps, with the record as it came."""


def take_through_maps(
    record: dict[str, Any],
    schema_message: dict[str, Any],
    maps: Iterable[StreamMap],
    pipeline: Pipeline,
    sink_of: Callable[[str], MappedSink],
) -> None:
    """Apply the stream maps to a record; one that every map filters out is counted.

    Args:
        record: The record before its maps.
        schema_message: The SCHEMA message of its stream.
        maps: The maps of its stream.
        pipeline: Takes a record that a map cannot take.
        sink_of: Returns the sink of a stream, after stream maps.
    """
    stream = schema_message["stream"]
    origin = Source(stream, schema_message, whole_messages=False), msgspec.json.encode(record)
    passed = 0
    for stream_map in maps:
        alias = stream_map.stream_alias
        try:
            mapped = map_record(stream_map, record)
        except UnmappedRecordError as error:
            pipeline.take(RejectedEvent(alias, UNMAPPED, None, str(error)), origin)
            passed += 1
            continue
        if mapped is not None:
            sink_of(alias).take_mapped(mapped, origin)
            passed += 1
    if not passed:
        pipeline.account.skip(stream, FILTERED)


def reject_too_large(
    line: bytes,
    error: TooLargeRecordError,
    source: Source,
    maps: Iterable[StreamMap],
    pipeline: Pipeline,
) -> None:
    """Reject a record that is too large to be read, and so to be mapped.

    Args:
        line: Its line.
        error: Why it cannot be read.
        source: Its stream, and the form of the line.
        maps: The maps of its stream; if they remove the stream, the record is skipped.
        pipeline: Takes the rejected record.
    """
    if all(isinstance(one, RemoveRecordTransform) for one in maps):
        pipeline.account.skip(source.stream, FILTERED)
        return
    pipeline.take(RejectedEvent(source.stream, TOO_LARGE, None, str(error)), (source, line))
