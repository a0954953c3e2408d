"""Map the records of a stream and pass them to the pipeline."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.message_reader import TooLargeRecordError
from braze_mixpanel.singer.sink import StreamSink
from target_mixpanel.mapping.event import RejectedEvent
from target_mixpanel.mapping.fast_lane import FastLane, fast_lane_for
from target_mixpanel.mapping.rules import TOO_LARGE
from target_mixpanel.sending.batches import Source

if TYPE_CHECKING:
    from collections.abc import Sequence

    from target_mixpanel.mapping.event import Mapper
    from target_mixpanel.run.pipeline import Pipeline
    from target_mixpanel.run.stream_mappers import StreamMappers
    from target_mixpanel.sending.batches import Origin


class EventsTarget(Protocol):
    """The parts of the target that a sink uses."""

    @property
    def pipeline(self) -> Pipeline:
        """The pipeline that all sinks share."""

    @property
    def mappers(self) -> StreamMappers:
        """How the records of each stream become events."""


class MixpanelSink(StreamSink[EventsTarget]):
    """Maps the records of one stream; the pipeline that all sinks share does the rest."""

    def prepare(
        self, target: EventsTarget, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Note how the stream is described in a dead letter."""
        self._target = target
        message = {"stream": self.stream_name, "schema": schema, "key_properties": key_properties}
        self._messages = Source(self.stream_name, message, whole_messages=True)
        self._records = Source(self.stream_name, message, whole_messages=False)

    @cached_property
    def mapper(self) -> Mapper:
        """The mapper of this stream. It skips all records if the stream cannot be mapped."""
        mappers = self._target.mappers
        return mappers.choose(self.stream_name, self.original_schema, self.key_properties)

    @cached_property
    def _fast_lane(self) -> FastLane | None:
        return fast_lane_for(self.mapper)

    def take_messages(self, lines: list[bytes]) -> None:
        """Take RECORD messages as lines of input, for a stream without stream maps."""
        self._take_lines(lines, self._messages)

    def take_records(self, lines: list[bytes]) -> None:
        """Take lines of a BATCH file. Each line is the JSON of a record."""
        self._take_lines(lines, self._records)

    def _take_lines(self, lines: list[bytes], source: Source) -> None:
        # Most lines go through the fast lane. The rest is parsed and mapped one by one.
        for line in self._take_ordinary(lines, source):
            try:
                record = source.record_of(line)
            except TooLargeRecordError as error:
                rejected = RejectedEvent(self.stream_name, TOO_LARGE, None, str(error))
                self._target.pipeline.take(rejected, (source, line))
                continue
            self.take_mapped(record, (source, line))

    def take_mapped(self, record: dict[str, Any], origin: Origin) -> None:
        """Map a record and pass the result to the pipeline.

        Args:
            record: The record, after stream maps.
            origin: The original record, for the dead letter.
        """
        pipeline, mapper = self._target.pipeline, self.mapper
        try:
            mapped = mapper(record)
        except SettingsError as error:  # the setting `streams` names a field that does not exist
            mapper = self.mapper = self._target.mappers.leave_out(self.stream_name, error)
            mapped = mapper(record)
        while mapper.remarks:
            pipeline.account.remarks[mapped.event, mapper.remarks.pop()] += 1
        pipeline.take(mapped, origin)

    def _take_ordinary(self, lines: list[bytes], source: Source) -> list[bytes]:
        """Pass ordinary records to the pipeline through the fast lane. Return the other lines."""
        pipeline, lane = self._target.pipeline, self._fast_lane
        if lane is None:
            return lines
        prepared, others = lane.prepare(
            lines,
            whole_messages=source.whole_messages,
            earliest=pipeline.earliest,
            latest=pipeline.latest,
        )
        pipeline.take_prepared(prepared, source)
        return others

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Take one record, for code that calls the sink through the SDK's interface."""
        del context
        self.take_records([msgspec.json.encode(record)])

    def process_batch(self, context: dict[str, Any]) -> None:
        """Take the records of a batch, for code that calls the sink through the SDK's interface."""
        for record in cast("list[dict[str, Any]]", context.get("records", [])):
            self.process_record(record, context)
