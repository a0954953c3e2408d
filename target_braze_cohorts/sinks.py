"""Read the records of a stream into staging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from braze_mixpanel.lenient_json import UNREADABLE
from braze_mixpanel.singer.large_records import small_value
from braze_mixpanel.singer.message_reader import TooLargeRecordError, read_record
from braze_mixpanel.singer.sink import StreamSink

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from target_braze_cohorts.intake.cohort_records import Intake
    from target_braze_cohorts.intake.rejected_members import RejectedMembers


class _Message(msgspec.Struct):
    record: dict[str, Any]


_LONG_LINE = 1 << 20
_NOT_READ = (*UNREADABLE, TooLargeRecordError)
_decode_message = msgspec.json.Decoder(_Message).decode


class CohortsTarget(Protocol):
    """The parts of the target that a sink uses."""

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings."""

    @property
    def intake(self) -> Intake:
        """Read records by the role of their stream."""

    @property
    def rejects(self) -> RejectedMembers:
        """Write members that cannot be delivered to the dead letter."""


class CohortSink(StreamSink[CohortsTarget]):
    """Passes the records of one stream to the readers of its roles; see `Intake`."""

    def prepare(
        self, target: CohortsTarget, schema: dict[str, Any], key_properties: Sequence[str] | None
    ) -> None:
        """Find the readers of the roles that the stream has."""
        self._target = target
        self._schema_message = {
            "stream": self.stream_name,
            "schema": schema,
            "key_properties": key_properties or [],
        }
        self._takes = target.intake.roles(self.stream_name)
        if self.stream_name == target.config["members_stream"]:
            target.rejects.set_schema(schema, key_properties)

    def take_lines(self, lines: list[bytes]) -> None:
        """Read RECORD lines of a stream without maps, without the SDK's steps in between.

        Raises:
            InputError: A line is broken.
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
            except _NOT_READ:
                found = self._read_again(line)
                if found is None:
                    continue
                record = found
            for take in takes:
                take(record)

    def _read_again(self, line: bytes) -> dict[str, Any] | None:
        """Return a record that is not strict JSON; None if it is too large, and rejected."""
        try:
            return read_record(line, self.stream_name)
        except TooLargeRecordError as error:
            self.take_too_large(line, error, self._schema_message)
            return None

    def take_too_large(
        self, line: bytes, error: TooLargeRecordError, schema_message: Mapping[str, Any]
    ) -> None:
        """Reject a record that is too large to be read; its cohort counts it.

        Args:
            line: Its RECORD message.
            error: Why it cannot be read.
            schema_message: The SCHEMA message of its stream, before stream maps.
        """
        if not self._takes:
            return
        field = self._target.config["member_cohort_id_field"]
        self._target.intake.take_rejected(self.stream_name, {field: small_value(line, field)})
        self._target.rejects.too_large(line, schema_message=schema_message, message=str(error))

    def process_record(self, record: dict[str, Any], context: dict[str, Any]) -> None:
        """Read a record, after stream maps."""
        del context
        self.record_counter_metric.increment()
        for take in self._takes:
            take(record)

    def process_batch(self, context: dict[str, Any]) -> None:
        """Do nothing: each record is staged when it is read."""
