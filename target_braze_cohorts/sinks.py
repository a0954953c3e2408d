"""Reads the records of one stream into staging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec
from singer_sdk.sinks import Sink

from braze_mixpanel.lenient_json import UNREADABLE
from braze_mixpanel.singer.message_reader import read_record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from singer_sdk import Target

    from target_braze_cohorts.intake.cohort_records import Intake
    from target_braze_cohorts.intake.rejected_members import RejectedMembers


class _Message(msgspec.Struct):
    record: dict[str, Any]


_LONG_LINE = 1 << 20
_decode_message = msgspec.json.Decoder(_Message).decode


class CohortsTarget(Protocol):
    """What a sink needs of its target."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings."""

    @property
    def intake(self) -> Intake:
        """Reads records by the role of their stream."""

    @property
    def rejects(self) -> RejectedMembers:
        """Writes members that cannot be delivered to the dead letter."""


class CohortSink(Sink):
    """Passes the records of one stream to the readers of its roles; see `Intake`."""

    def __init__(
        self,
        target: CohortsTarget,
        stream_name: str,
        schema: dict[str, Any],
        key_properties: Sequence[str] | None,
    ) -> None:
        """Prepare the stream.

        Args:
            target: Holds the intake.
            stream_name: The stream, after stream maps.
            schema: Its JSON Schema, after stream maps.
            key_properties: Its key, after stream maps.
        """
        super().__init__(cast("Target", target), stream_name, schema, key_properties)
        self._takes = target.intake.roles(stream_name)
        if stream_name == target.config["members_stream"]:
            target.rejects.set_schema(schema, key_properties)

    def get_validator(self) -> None:
        """Do not validate records: the schemas of taps such as tap-mixpanel are not reliable."""

    def take_lines(self, lines: list[bytes]) -> None:
        """Read RECORD lines of a stream without maps, without the SDK's steps in between.

        Raises:
            InputError: One of them is broken.
        """
        self.record_counter_metric.increment(len(lines))
        takes = self._takes
        if not takes:
            return
        for line in lines:
            try:
                if len(line) > _LONG_LINE:
                    record = read_record(line, self.stream_name)  # counts before it reads
                else:
                    record = _decode_message(line).record
            except UNREADABLE:
                record = read_record(line, self.stream_name)
            for take in takes:
                take(record)

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Read a record, after stream maps."""
        del context
        self.record_counter_metric.increment()
        for take in self._takes:
            take(record)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: each record is staged when it is read."""
