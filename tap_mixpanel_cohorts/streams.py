"""The three streams: cohorts, their members, and changes of their members."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

import msgspec
from singer_sdk.helpers.conform import TypeConformanceLevel

from braze_mixpanel.sdk import SingerStream
from braze_mixpanel.singer.line_writer import record_lines
from braze_mixpanel.singer.stream_map_errors import (
    UnmappedRecordError,
    UnmappedRecords,
    applying_map,
    require_bounded,
)
from braze_mixpanel.singer.unchanged_records import is_unchanged
from tap_mixpanel_cohorts.reading.cohort import CHANGES, COHORTS, MEMBERS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record

    from braze_mixpanel.sdk import BatchConfig
    from braze_mixpanel.singer.line_writer import LineWriter
    from tap_mixpanel_cohorts.reading.cohort import Block

_decode = msgspec.json.Decoder().decode
_ID: Final = {"type": ["integer", "string"]}
_TEXT: Final = {"type": ["string", "null"]}
_NUMBER: Final = {"type": ["integer", "null"]}
_ANYTHING: Final = {"type": ["string", "number", "boolean", "object", "array", "null"]}
_KEYS: Final = {COHORTS: ["id"], MEMBERS: ["cohort_id", "distinct_id"]}
_KEYS_OF_CHANGES: Final = ["cohort_id", "distinct_id"]


class CohortTap(Protocol):
    """The parts of the tap that a stream uses."""

    message_writer: LineWriter

    @property
    def config(self) -> Mapping[str, Any]:
        """The settings."""


class CohortStream(SingerStream):
    """Write the records of one stream. The tap chooses the records and writes STATE."""

    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE

    def __init__(self, tap: CohortTap, name: str) -> None:
        """Create a stream.

        Args:
            tap: The tap that owns the stream.
            name: `cohorts`, `cohort_members` or `cohort_changes`.
        """
        schema = schema_of(name, tap.config.get("profile_properties") or [])
        super().__init__(cast("Tap", tap), schema=schema, name=name)
        self.primary_keys = _KEYS.get(name, _KEYS_OF_CHANGES)
        self._cohort_tap = tap
        self.unmapped = UnmappedRecords()
        """The records that a stream map could not process. They are left out."""

    @property
    def replication_method(self) -> str:
        """`FULL_TABLE` for complete lists, `LOG_BASED` for changes."""
        return "LOG_BASED" if self.name == CHANGES else "FULL_TABLE"

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield nothing. The tap writes the records itself, cohort by cohort over all streams."""
        del context
        return ()

    def write_records(self, *, write_messages: bool) -> None:
        """Write nothing, see `get_records`."""

    def write_batches(self, batch_config: BatchConfig) -> None:
        """Write nothing, see `get_records`."""

    def write_schema(self) -> None:
        """Write the SCHEMA message."""
        self.write_schema_messages()

    @cached_property
    def _writes_blocks(self) -> bool:
        """Whether records can be written as they are, without parsing each record.

        This is the fast lane. It is open if no stream map, flattening or selection changes records.
        """
        return is_unchanged(self.stream_maps) and all(
            self.mask["properties", name] for name in self.schema["properties"]
        )

    def write_block(self, block: Block) -> None:
        """Write a block of records."""
        if self._writes_blocks and block.records:
            alias = self.stream_maps[0].stream_alias
            lines = record_lines(block.ndjson, alias, datetime.now(timezone.utc))
            self._cohort_tap.message_writer.write_lines(lines)
        else:
            for line in block.ndjson.splitlines():
                self.write_record(_decode(line))

    def write_record(self, record: dict[str, Any]) -> None:
        """Write one record. If a stream map cannot process it, count it and leave it out."""
        writer = self._cohort_tap.message_writer
        try:
            with applying_map(self.stream_maps[0]):
                lines = b""
                for message in self.mapped_messages(record):
                    require_bounded(message.record)
                    lines += writer.format_message(message)
        except UnmappedRecordError as error:
            self.unmapped.add(error)
        else:
            writer.write_lines(lines)


def schema_of(stream: str, profile_properties: Sequence[str]) -> dict[str, Any]:
    """Return the JSON Schema of a stream.

    Args:
        stream: The name of the stream.
        profile_properties: The setting of this name.
    """
    if stream == COHORTS:
        properties: dict[str, Any] = {
            "id": _ID,
            "name": _TEXT,
            "description": _TEXT,
            "created": {**_TEXT, "format": "date-time"},
            "count": _NUMBER,
            "is_visible": _NUMBER,
            "project_id": {"type": ["integer", "string", "null"]},
        }
    else:
        properties = {"cohort_id": _ID, "distinct_id": {"type": "string"}}
        properties |= dict.fromkeys(profile_properties, _ANYTHING)
        if stream == CHANGES:
            properties["should_remove"] = {"type": "boolean"}
    return {"type": "object", "properties": properties}
