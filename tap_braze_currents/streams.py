"""The Singer stream of one Currents event type."""

from __future__ import annotations

from contextlib import ExitStack
from functools import cached_property
from typing import TYPE_CHECKING, Any, Protocol, cast

import msgspec
from singer_sdk.helpers.conform import TypeConformanceLevel

from braze_mixpanel.sdk import SDKBatchMessage, SingerStream
from braze_mixpanel.singer.currents_streams import EVENT_TYPE_ANNOTATION
from braze_mixpanel.singer.line_writer import record_lines
from braze_mixpanel.singer.stream_map_errors import (
    UnmappedRecordError,
    applying_map,
    require_bounded,
)
from braze_mixpanel.singer.unchanged_records import is_unchanged
from tap_braze_currents.catalog.event_types import EventType, registry
from tap_braze_currents.formats.fields import json_type_of
from tap_braze_currents.formats.records import Rows, Selection, is_lossless
from tap_braze_currents.output.batch_files import BatchFiles
from tap_braze_currents.run.file_records import file_records

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from datetime import datetime

    from singer_sdk import Tap
    from singer_sdk.helpers.types import Context, Record
    from singer_sdk.singerlib.messages import Message, RecordMessage

    from braze_mixpanel.sdk import BatchConfig
    from braze_mixpanel.singer.line_writer import LineWriter
    from tap_braze_currents.bucket.store import RemoteFile
    from tap_braze_currents.formats.fields import Field

_FIELD_WARNINGS = 20
"""A stream warns of at most 20 fields. A damaged or hostile file may have thousands."""
_WARNING_LENGTH = 1000

_decode = msgspec.json.Decoder().decode
_encode_lines = msgspec.json.Encoder(enc_hook=str, decimal_format="number").encode_lines


class CurrentsTap(Protocol):
    """The parts of the tap that a stream uses."""

    message_writer: LineWriter

    @property
    def run(self) -> FilesOfRun:
        """The tap's current run."""

    def now(self) -> datetime:
        """Return the present time in UTC."""

    def read_file(self, file: RemoteFile) -> bytes | memoryview:
        """Read a whole object."""

    @property
    def samples(self) -> Mapping[str, RemoteFile]:
        """Stream id → a file that holds events of this stream."""

    def write_message(self, message: Message) -> None:
        """Write a Singer message."""

    def repeat_state(self) -> None:
        """Write the STATE that the run began with."""


class FilesOfRun(Protocol):
    """The parts of the run that a stream uses."""

    def files(self, stream: CurrentsStream) -> Iterator[Iterable[Rows]]:
        """Yield the planned files of a stream, each as blocks of records."""

    def note_unmapped(self, error: UnmappedRecordError) -> None:
        """Note that a record of the current file could not be mapped and is left out."""


class CurrentsStream(SingerStream):
    """Emit the records of one event type. The run chooses the files and writes STATE."""

    # The decoder has already converted each value to its type in the catalog.
    TYPE_CONFORMANCE_LEVEL = TypeConformanceLevel.NONE
    replication_method = "LOG_BASED"

    def __init__(self, tap: CurrentsTap, event_type: EventType) -> None:
        """Create the stream of an event type.

        Args:
            tap: The tap that owns the stream.
            event_type: The event type with its fields, from the registry and discovery.
        """
        super().__init__(cast("Tap", tap), schema=event_type.json_schema, name=event_type.stream_id)
        self.primary_keys = ["id"]
        self.event_type = event_type.name
        self._currents_tap = tap
        self._noted: set[str] = set()

    @cached_property
    def selection(self) -> Selection:
        """The selected fields with their types in the catalog.

        If a file lacks a selected field, the record gets a null when Braze still writes the field.
        When Braze has retired the field, the record leaves it out.
        """
        known = registry().get(self.event_type, EventType(self.event_type, ()))
        retired = {field.name for field in known.fields if not field.current}
        types = {
            name: _json_type(definition)
            for name, definition in self.effective_schema["properties"].items()
            if self.mask["properties", name]
        }
        return Selection(types, [name for name in types if name not in retired])

    def note_fields(self, path: str, fields: Sequence[Field]) -> None:
        """Warn once of each field that the catalog lacks or has with another type.

        Args:
            path: The path of the file, for the warning.
            fields: The fields of the file.
        """
        for field in fields:
            definition = self.effective_schema["properties"].get(field.name)
            if definition is None:
                self._warn_once(
                    field.name,
                    f"Field {field.name} is not in the catalog and is left out. Run discovery "
                    f"again to include it (first seen in {path}).",
                )
            elif not is_lossless(field.type, wanted := _json_type(definition)):
                is_text = field.type != "string" and json_type_of(field.type) == "string"
                how = "text" if is_text else "they are"
                self._warn_once(
                    field.name,
                    f"Field {field.name} is {field.type} in {path} and {wanted} in the catalog: "
                    f"values that do not fit are emitted as {how}.",
                )

    def _warn_once(self, field: str, message: str) -> None:
        if field in self._noted or len(self._noted) > _FIELD_WARNINGS:
            return
        self._noted.add(field)
        if len(self._noted) > _FIELD_WARNINGS:
            message = "More fields differ from the catalog. They are not logged."
        self.logger.warning(message[:_WARNING_LENGTH])

    @cached_property
    def _writes_blocks(self) -> bool:
        """Whether records can be written as they are, without parsing each record."""
        return is_unchanged(self.stream_maps)

    def get_records(self, context: Context | None) -> Iterable[Record]:
        """Yield the records of all planned files, for callers other than the tap's own run."""
        del context  # streams of Currents have no partitions
        for file in self._currents_tap.run.files(self):
            for rows in file:
                for line in rows.ndjson.splitlines():
                    yield _decode(line)

    def write_batches(self, batch_config: BatchConfig) -> None:
        """Write the records of all planned files as BATCH messages, with stream maps applied."""
        batches: dict[str, BatchFiles] = {}
        with ExitStack() as metrics:
            counter = None
            for file in self._currents_tap.run.files(self):
                counter = counter or metrics.enter_context(self.get_batch_counter())
                for rows in file:
                    for alias, mapped in self._mapped(rows):
                        if alias not in batches:
                            batches[alias] = BatchFiles(batch_config, f"{self.tap_name}--{alias}")
                        for url in batches[alias].add(*mapped):
                            self._write_batch(alias, batch_config, url)
                            counter.increment()
                # The run marks this file as read when the loop asks for the next file. A STATE may
                # follow at once, so all records of this file must be in a BATCH message by then.
                for alias, batch in batches.items():
                    for url in batch.flush():
                        self._write_batch(alias, batch_config, url)
                        counter.increment()

    def _write_batch(self, alias: str, config: BatchConfig, url: str) -> None:
        message = SDKBatchMessage(stream=alias, encoding=config.encoding, manifest=[url])
        self._currents_tap.write_message(message)

    def _mapped(self, rows: Rows) -> Iterable[tuple[str, Rows]]:
        """Return the mapped records of a block, by the name of the stream they go to.

        A stream map may rename the stream, or send its records to several streams.
        """
        if self._writes_blocks:
            return [(self.stream_maps[0].stream_alias, rows)]
        records: dict[str, list[Any]] = {}
        for line in rows.ndjson.splitlines():
            for message, _ in self._mapped_line(line):
                records.setdefault(message.stream, []).append(message.record)
        return [(alias, Rows(_encode_lines(some), len(some))) for alias, some in records.items()]

    def _mapped_line(self, line: bytes) -> list[tuple[RecordMessage, bytes]]:
        """Return the messages that the stream maps make of a record, each with its JSON line.

        A record that a map cannot process is left out. The run then keeps its file as unread, and
        the next run reads the file again.
        """
        try:
            with applying_map(self.stream_maps[0]):
                write = self._currents_tap.message_writer.format_message
                messages = []
                for message in self.mapped_messages(_decode(line)):
                    require_bounded(message.record)
                    messages.append((message, write(message)))
                return messages
        except UnmappedRecordError as error:
            self._currents_tap.run.note_unmapped(error)
            return []

    def _sync_sample(self) -> None:
        """Write the first record of the newest file, for `--test`."""
        file = self._currents_tap.samples.get(self.name)
        if file is None:
            return
        # This goes around the run and its plan: `--test` reads one file that discovery has found,
        # and the sample must not change STATE.
        try:
            content = self._currents_tap.read_file(file)
        except FileNotFoundError:
            self.logger.warning("%s was deleted after it was listed.", file.path)
            return
        rows = next(file_records(file.path, content, self), None)
        if rows is not None:
            self.write_mapped(_decode(rows.ndjson.partition(b"\n")[0]))

    def write_records(self, *, write_messages: bool) -> None:
        """Write the records of all planned files, one block of records at a time."""
        if self.ABORT_AT_RECORD_COUNT is not None:
            self._sync_sample()
            self._currents_tap.repeat_state()
            return
        # Most streams have no new files in a run, and their metrics would only be noise. So the
        # counters of a stream start with its first file.
        with ExitStack() as metrics:
            counter = None
            for file in self._currents_tap.run.files(self):
                if counter is None:
                    counter = metrics.enter_context(self.get_record_counter())
                    metrics.enter_context(self.get_sync_timer())
                for rows in file:
                    if write_messages:
                        self._write_rows(rows)
                    counter.increment(rows.records)

    def _write_rows(self, rows: Rows) -> None:
        """Write a block of records as RECORD messages.

        There are two ways, and both write the same bytes:

        - Fast: each record is already a JSON line, so the text of a RECORD message is put around
          it without parsing it.
        - Slow: the SDK's way, record by record. It runs when stream maps or flattening change the
          records.
        """
        if self._writes_blocks:
            # All records of a block get the same `time_extracted`: they were read together, and
            # formatting a time for each record would cost more than the rest of the message.
            alias = self.stream_maps[0].stream_alias
            lines = record_lines(rows.ndjson, alias, self._currents_tap.now())
            self._currents_tap.message_writer.write_lines(lines)
        else:
            for line in rows.ndjson.splitlines():
                for _, text in self._mapped_line(line):
                    self._currents_tap.message_writer.write_lines(text)

    def schema_annotations(self) -> dict[str, Any]:
        """Return the extra keys of the SCHEMA message: the event type in Braze's spelling.

        The SDK's catalog classes drop keys that they do not know, so the stream adds it here.
        """
        return {EVENT_TYPE_ANNOTATION: self.event_type}


def _json_type(definition: dict[str, Any]) -> str:
    """Return the JSON type of a property besides null, or "" if it has several types or none."""
    types = definition.get("type", [])
    others = {types} if isinstance(types, str) else set(types) - {"null"}
    return others.pop() if len(others) == 1 else ""
