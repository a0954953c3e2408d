"""The target: connects settings, sinks, the pipeline and the sender."""

from __future__ import annotations

import logging
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform

from braze_mixpanel.clock import SYSTEM_CLOCK
from braze_mixpanel.errors import ConnectorError, InputError, SettingsError, StoppedError
from braze_mixpanel.http.credentials_check import CHECK_TIMEOUTS
from braze_mixpanel.singer.batch_input import lines_of_batch
from braze_mixpanel.singer.bucket_read import find_note
from braze_mixpanel.singer.message_reader import (
    TooLargeRecordError,
    read_record,
    require_input,
    require_schema,
)
from braze_mixpanel.singer.target import ConnectorTarget
from target_mixpanel import settings
from target_mixpanel.mapping.mapper_choice import doubtful_event_names
from target_mixpanel.run import unused_names
from target_mixpanel.run.hot_ids import HotIds
from target_mixpanel.run.mapped_records import reject_too_large, take_through_maps
from target_mixpanel.run.output_files import make_dead_letter, make_dry_run
from target_mixpanel.run.pipeline import GRACE_SECONDS, Pipeline, PipelineSettings
from target_mixpanel.run.progress_log import ProgressLog
from target_mixpanel.run.report_input import Input
from target_mixpanel.run.report_page import make_page
from target_mixpanel.run.stopped import stopped_error
from target_mixpanel.run.stream_mappers import StreamMappers
from target_mixpanel.run.summary_facts import run_facts
from target_mixpanel.run.timeline import Timeline
from target_mixpanel.sending.batches import Source
from target_mixpanel.sending.client import make_client
from target_mixpanel.sending.connection_check import check_account
from target_mixpanel.sending.credentials import api_secret_warning
from target_mixpanel.sending.delivery import BatchDelivery
from target_mixpanel.sinks import MixpanelSink

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence

    from singer_sdk.mapper import StreamMap
    from typing_extensions import Unpack

    from braze_mixpanel.files.dead_letter import DeadLetter
    from braze_mixpanel.report.page import Page
    from braze_mixpanel.report.writer import Ending
    from braze_mixpanel.sdk import TargetArguments
    from braze_mixpanel.singer.bucket_read import BucketRead
    from braze_mixpanel.singer.message_reader import Lane
    from braze_mixpanel.summary.content import RunFacts
    from target_mixpanel.sending.batch_sender import BatchSender
    from target_mixpanel.sending.client import MixpanelClient
    from target_mixpanel.sending.dry_run import DryRun


class TargetMixpanel(ConnectorTarget):
    """Send Braze Currents events, and streams of other taps, to Mixpanel."""

    name = "target-mixpanel"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA
    default_sink_class = MixpanelSink
    dotted_texts = ("event_names",)
    dotted_objects = ("streams",)
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.BATCH,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    clock = SYSTEM_CLOCK
    grace_seconds = GRACE_SECONDS
    most_seconds_to_stop = GRACE_SECONDS + 5
    """A little longer than the grace period, so that STATE, the closing table and the report are
    written too."""

    def __init__(self, **arguments: Unpack[TargetArguments]) -> None:
        """Read the settings. This opens and sends nothing.

        Args:
            arguments: The arguments of the SDK's `Target`.
        """
        # Set before the settings are read: if the settings are wrong, the summary of the run still
        # reads this attribute.
        self._begun: Pipeline | None = None
        super().__init__(**arguments)
        self._bucket_read: BucketRead | None = None
        self._is_reading = False

    @cached_property
    def client(self) -> MixpanelClient:
        """The client of Mixpanel. A dry run has no client, and needs no credentials."""
        return make_client(self.config)

    @cached_property
    def dry_run(self) -> DryRun | None:
        """The sender of a dry run, which writes a file. None if events are sent."""
        return make_dry_run(self.config, self.name) if self.config["dry_run"] else None

    @cached_property
    def sender(self) -> BatchSender:
        """The sender of batches: to Mixpanel, or to the file of a dry run."""
        if self.dry_run is not None:
            return self.dry_run
        return BatchDelivery(
            self.client,
            concurrency=self.config["concurrency"],
            retry_seconds=self.config["retry_seconds"],
            logger=self.logger,
            waits=self.retry_waits,
            clock=self.clock,
        )

    @cached_property
    def dead_letter(self) -> DeadLetter:
        """The dead letter for rejected records."""
        return make_dead_letter(self.config, self.name)

    @cached_property
    def pipeline(self) -> Pipeline:
        """The pipeline that all sinks share."""
        config = self.config
        return Pipeline(
            self.sender,
            self.dead_letter,
            self.write_state,
            PipelineSettings.of(config, self.grace_seconds),
            timeline=Timeline() if config["dry_run"] or config.get("report_path") else None,
            hot_ids=HotIds(self.logger.warning),
            stopping=lambda: self.stopped_by is not None,
            before_first=lambda: unused_names.log_unused_maps(self.map_use, self.logger),
            while_waiting=self._log_progress,
            clock=self.clock,
        )

    @cached_property
    def mappers(self) -> StreamMappers:
        """How the records of each stream become events."""
        return StreamMappers(self.config, self.pipeline.keep_state, self.logger)

    @cached_property
    def progress(self) -> ProgressLog:
        """The log of the run's progress."""
        return ProgressLog(
            self.pipeline,
            self.sender,
            self.logger,
            self.metrics_logger,
            dry_run=self.dry_run,
            clock=self.clock,
        )

    def _log_progress(self) -> None:
        self.progress.log_if_due()

    def check_settings(self) -> list[str]:
        """Return the mistakes that the JSON Schema of the settings cannot find."""
        return settings.find_mistakes(self.changeable_config)

    def check(self) -> str:
        """Check the settings, the credentials and the stores, and return the result in one line.

        For a dry run without credentials, only the settings and the store are checked.

        Raises:
            ConnectorError: Mixpanel rejects the credentials, or cannot be reached.
        """
        try:
            client = make_client(self.config, CHECK_TIMEOUTS)
        except SettingsError:
            self._check_files()
            path = self.config["dry_run_path"]
            return f"All is well: a dry run writes to {path} and sends nothing."
        self._warn_of_api_secret(client)
        self._check_files()
        return check_account(client, self.clock.wall)

    def _warn_of_api_secret(self, client: MixpanelClient) -> None:
        if warning := api_secret_warning(client.credentials, self.clock.wall()):
            self.logger.warning(warning)

    def _check_files(self) -> None:
        """Check the store of the dead letter or the dry run, if there is one."""
        if self.dry_run is not None:
            self.dry_run.check()
        else:
            self.dead_letter.check()

    # A run

    def begin(self) -> None:
        """Check the credentials and open what the run writes."""
        _ = self.progress  # creating it starts the measured time
        if self.dry_run is not None:
            self.dry_run.open()
        else:
            client = self.client
            self.dead_letter.check()
            self._warn_of_api_secret(client)
            self.logger.info("This run sends to %s, %s", client.url, client.credentials.where)
        if doubtful := doubtful_event_names(self.config["event_names"]):
            self.logger.warning(doubtful)
        self._begun = self.pipeline
        # A signal may have come before the sender existed. From here on the handler can abort the
        # check of the credentials.
        self._require_going()
        self.sender.check_credentials()
        self._is_reading = True

    def _require_going(self) -> None:
        if self.stopped_by is not None:
            raise self._stopped_error(self.stopped_by)

    def between_blocks(self) -> None:
        """Send and settle what is due; raise if a signal has come."""
        self._require_going()
        self.pipeline.between_blocks()

    def is_used(self, stream: str) -> bool:
        """Return whether a stream may become events."""
        return self.mappers.may_map(stream)

    def stream_began(self, stream: str, maps: Sequence[StreamMap]) -> None:
        """Log doubtful names in the maps, and choose the mapper of each sink."""
        for doubt in self.map_use.doubts(stream):
            self.logger.warning("%s", doubt)
        for stream_map in maps:
            if not isinstance(stream_map, RemoveRecordTransform):
                _ = self._sink(stream_map.stream_alias).mapper

    def lane_of(self, stream: str) -> Lane:
        """Return what takes the RECORD lines of a stream without maps, unparsed."""
        return self._sink(stream).take_messages

    def take_record(self, stream: str, record: dict[str, Any]) -> None:
        """Apply the stream maps to a record; one that every map filters out is counted."""
        message = self.schema_messages[stream]
        maps = self.mapper.stream_maps[stream]
        take_through_maps(record, message, maps, self.pipeline, self._sink)

    def reject_too_large(
        self, stream: str, line: bytes, error: TooLargeRecordError, *, whole_message: bool = True
    ) -> None:
        """Reject a record that no stream map can be applied to."""
        source = Source(stream, self.schema_messages[stream], whole_messages=whole_message)
        reject_too_large(line, error, source, self.mapper.stream_maps[stream], self.pipeline)

    def _sink(self, stream: str) -> MixpanelSink:
        return cast("MixpanelSink", self.get_sink(stream))

    def take_state_message(self, message: dict[str, Any]) -> None:
        """Pass a STATE to the pipeline. It is written when all earlier records have an outcome."""
        self._bucket_read = find_note(message) or self._bucket_read
        self.pipeline.state_arrived(message["value"])

    def take_activate_version_message(self, message: dict[str, Any]) -> None:
        """Ignore the message: this target never deletes events."""

    def take_batch_message(self, message: dict[str, Any]) -> None:
        """Read the files of a BATCH message as if they were RECORD messages."""
        stream = message["stream"]
        require_schema(stream, self.schema_messages)
        storage = (self.config.get("batch_config") or {}).get("storage")
        has_maps = stream not in self.reader.lanes
        for lines in lines_of_batch(message, storage):
            if has_maps:
                for line in lines:
                    self._take_line_with_maps(line, stream)
            else:
                self._sink(stream).take_records(lines)
            self.between_blocks()

    def _take_line_with_maps(self, line: bytes, stream: str) -> None:
        try:
            record = read_record(line, stream, whole_message=False)
        except TooLargeRecordError as error:
            self.reject_too_large(stream, line, error, whole_message=False)
        else:
            self.take_record_message({"stream": stream, "record": record})

    # The end

    def end(self) -> None:
        """Deliver the remaining events, log the closing table, and raise the error of the run.

        Raises:
            ConnectorError: Reading ended early, or not all events were delivered.
        """
        error = self.reader.error
        is_sound = error is None or isinstance(error, InputError | StoppedError)
        if not (error or self.stopped_by or self.pipeline.has_sent) and self.schema_messages:
            is_sound = not (error := unused_names.find_unused_maps(self.map_use))
        try:
            self.pipeline.finish(abandon_unsent=not is_sound)
        except ConnectorError as later:
            # The first error is the cause, so it is raised. This one is only logged: STATE does not
            # cover the events that were not sent, and the next run sends them.
            if error is not None and is_sound:
                self.logger.log(logging.ERROR, "%s", later)
            error = error or later
        finally:
            if error is None or self.pipeline.account.read:
                self.progress.log_end()
        if error is None or isinstance(error, StoppedError):
            self._require_going()
        if error is not None:
            raise error
        if not self.schema_messages:
            require_input(self.reader)
            return  # nothing came, so no name in the settings can be wrong by it
        self.mappers.require_all_mapped()
        self.require_used_names()

    def require_used_names(self) -> None:
        """Raise at the end of a run whose settings name streams or properties that it never saw."""
        find = unused_names.find_unused_names
        if unused := find(self.config, self.map_use, self.mappers.event_types):
            raise unused

    def _stopped_error(self, by: signal.Signals) -> StoppedError:
        return stopped_error(
            by,
            under_way=self.pipeline.account.under_way,
            has_written_state=self.pipeline.has_written_state,
            dry_run=self.config["dry_run"],
        )

    def report_page(self, ending: Ending) -> Page:
        """Return the report of the run."""
        given = Input(self.schema_messages, self.reader.with_records, self._bucket_read)
        written = self.dry_run.where if self._begun and self.dry_run else ""
        now, begun = self.clock.wall(), self._begun
        return make_page(ending, self.config, begun, now=now, given=given, dry_run_file=written)

    def run_facts(self) -> RunFacts:
        """Return the figures of the run for the summary."""
        return run_facts(
            self._begun, now=self.clock.wall(), dry_run=self.config.get("dry_run") is True
        )

    def stop(self, by: signal.Signals) -> None:
        """End the reading at the next block of lines; before it begins, end what is under way."""
        if not self._is_reading and self._begun is not None:
            self.sender.abort(str(self._stopped_error(by)))
