"""Settings and wiring of target-mixpanel."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import msgspec
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform

from braze_mixpanel.errors import ConnectorError, InputError, SettingsError, StoppedError
from braze_mixpanel.http.credentials_check import CHECK_TIMEOUTS
from braze_mixpanel.http.retry_waits import retry_waits
from braze_mixpanel.report.writer import ReportWriter
from braze_mixpanel.sdk import SingerTarget
from braze_mixpanel.settings.reading import parse_ratio
from braze_mixpanel.singer.batch_input import lines_of_batch
from braze_mixpanel.singer.message_reader import (
    SingerLineReader,
    is_unchanged,
    read_record,
    record_of,
    require_input,
    require_schema,
)
from braze_mixpanel.singer.plugin import CheckablePlugin, end_at_second_signal
from braze_mixpanel.singer.stream_map_errors import (
    UnmappedRecordError,
    map_record,
    setting_up_maps,
)
from braze_mixpanel.singer.stream_map_names import MapUse, is_closed
from target_mixpanel import settings
from target_mixpanel.mapping.event import RejectedEvent
from target_mixpanel.mapping.mapper_choice import doubtful_event_names
from target_mixpanel.run.clock import SYSTEM_CLOCK
from target_mixpanel.run.facts import run_facts
from target_mixpanel.run.hot_ids import HotIds
from target_mixpanel.run.output_files import make_dead_letter, make_dry_run
from target_mixpanel.run.pipeline import GRACE_SECONDS, Pipeline, PipelineSettings
from target_mixpanel.run.progress_log import ProgressLog
from target_mixpanel.run.report_page import make_page
from target_mixpanel.run.stopped import stopped_error
from target_mixpanel.run.stream_mappers import StreamMappers
from target_mixpanel.run.timeline import Timeline
from target_mixpanel.run.unused_names import find_unused_names
from target_mixpanel.sending.batches import Source
from target_mixpanel.sending.client import (
    MixpanelClient,
    api_secret_warning,
    base_url,
    choose_credentials,
)
from target_mixpanel.sending.connection_check import check_account
from target_mixpanel.sending.delivery import BatchDelivery
from target_mixpanel.sinks import MixpanelSink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from singer_sdk.mapper import StreamMap
    from typing_extensions import Unpack

    from braze_mixpanel.files.dead_letter import DeadLetter
    from braze_mixpanel.report.page import Page
    from braze_mixpanel.report.writer import Ending
    from braze_mixpanel.sdk import TargetArguments
    from braze_mixpanel.summary.content import RunFacts
    from target_mixpanel.mapping.event import Mapper
    from target_mixpanel.sending.batch_sender import BatchSender
    from target_mixpanel.sending.batches import Origin
    from target_mixpanel.sending.dry_run import DryRun

FILTERED = "filtered by stream_maps"
UNMAPPED = "stream_maps cannot be applied"


class TargetMixpanel(CheckablePlugin, SingerTarget):
    """Sends Braze Currents events, and streams of other taps, to Mixpanel."""

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

    retry_waits = staticmethod(retry_waits)
    clock = SYSTEM_CLOCK
    grace_seconds = GRACE_SECONDS
    most_seconds_to_stop = GRACE_SECONDS + 5
    """A little longer, so that STATE, the closing table and the report come out."""

    def __init__(self, **arguments: Unpack[TargetArguments]) -> None:
        """Read the settings; nothing is opened or sent yet.

        Args:
            arguments: Those of the SDK's `Target`.
        """
        # Before the settings are read: the summary of a run with wrong settings looks at these.
        self._begun: Pipeline | None = None
        super().__init__(**arguments)
        self._reader = cast("SingerLineReader", self.message_reader)
        self._schema_messages: dict[str, dict[str, Any]] = {}
        self._mappers = StreamMappers(self.config, self._keep_state, self.logger)
        self._map_use = MapUse(self.config.get("stream_maps"))
        self._stopped_by: int | None = None
        self._is_reading = False
        self._report = ReportWriter(self.config, self._report_page, self.logger)

    def make_reader(self) -> SingerLineReader:
        """Make the reader of the input, with what is called around it."""
        return SingerLineReader(
            begin=self._begin,
            between_blocks=self._between_blocks,
            around=lambda: self._report.after(last_step=False),
            is_used=lambda stream: self._mappers.may_map(stream),  # noqa: PLW0108 - made later
        )

    @cached_property
    def client(self) -> MixpanelClient:
        """The way to Mixpanel; a dry run has none, and needs no credentials."""
        config = self.config
        url = base_url(config["region"], config.get("api_url"))
        return MixpanelClient(url, choose_credentials(config))

    @cached_property
    def dry_run(self) -> DryRun | None:
        """The file of a dry run; None if events are sent."""
        return make_dry_run(self.config, self.name) if self.config["dry_run"] else None

    @cached_property
    def sender(self) -> BatchSender:
        """What takes batches: Mixpanel, or the file of a dry run."""
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
        """Where rejected records go."""
        return make_dead_letter(self.config, self.name)

    @cached_property
    def pipeline(self) -> Pipeline:
        """What all sinks share."""
        config = self.config
        return Pipeline(
            self.sender,
            self.dead_letter,
            self.write_state,
            PipelineSettings(
                batch_size=config["batch_size"],
                batch_bytes=config["batch_bytes"],
                min_event_time=settings.parse_min_event_time(config["min_event_time"]),
                max_rejected_ratio=parse_ratio(config["max_rejected_ratio"]),
                dry_run=config["dry_run"],
                grace_seconds=self.grace_seconds,
            ),
            timeline=Timeline() if config["dry_run"] or config.get("report_path") else None,
            hot_ids=HotIds(self.logger.warning),
            stopping=lambda: self._stopped_by is not None,
            while_waiting=lambda: self.progress.log_if_due(),  # noqa: PLW0108 - made after it
            clock=self.clock,
        )

    @cached_property
    def progress(self) -> ProgressLog:
        """What logs how far the run is."""
        return ProgressLog(
            self.pipeline,
            self.sender,
            self.logger,
            self.metrics_logger,
            dry_run=self.dry_run,
            clock=self.clock,
        )

    def check_settings(self) -> list[str]:
        """Find what the schema cannot say."""
        return settings.find_mistakes(self.changeable_config)

    def check(self) -> str:
        """Try the credentials; a dry run without credentials has only its settings to check.

        Raises:
            ConnectorError: Mixpanel rejects them, or cannot be reached.
        """
        config = self.config
        try:
            credentials = choose_credentials(config)
        except SettingsError:
            self._check_files()
            return f"All is well: a dry run writes to {config['dry_run_path']} and sends nothing."
        if warning := api_secret_warning(credentials, self.clock.wall()):
            self.logger.warning(warning)
        url = base_url(config["region"], config.get("api_url"))
        self._check_files()
        client = MixpanelClient(url, credentials, timeouts=CHECK_TIMEOUTS)
        return check_account(client, self.clock.wall)

    def _check_files(self) -> None:
        """Check the store of the files, if they go to one."""
        if self.dry_run is not None:
            self.dry_run.check()
        else:
            self.dead_letter.check()

    def mapper_for(
        self, stream: str, schema: dict[str, Any], key_properties: Sequence[str]
    ) -> Mapper:
        """Choose the mapper of a stream, see `StreamMappers.choose`."""
        return self._mappers.choose(stream, schema, key_properties)

    def leave_out(self, stream: str, error: SettingsError) -> Mapper:
        """Leave a stream out of this run, see `StreamMappers.leave_out`."""
        return self._mappers.leave_out(stream, error)

    def _keep_state(self) -> None:
        self.pipeline.keep_state()

    # Messages

    def _begin(self) -> None:
        _ = self.progress  # its time begins here
        if self.dry_run is not None:
            self.dry_run.open()
        else:
            client = self.client
            self.dead_letter.check()
            if warning := api_secret_warning(client.credentials, self.clock.wall()):
                self.logger.warning(warning)
            self.logger.info("This run sends to %s, %s", client.url, client.credentials.where)
        if doubtful := doubtful_event_names(self.config["event_names"]):
            self.logger.warning(doubtful)
        self._begun = self.pipeline
        self._require_going()  # the sender is made: from here on the handler itself ends the test
        self.sender.check_credentials()
        self._is_reading = True

    def _require_going(self) -> None:
        if self._stopped_by is not None:
            raise self._stopped_error(self._stopped_by)

    def _between_blocks(self) -> None:
        self._require_going()
        self.pipeline.between_blocks()

    def take_schema_message(self, message: dict[str, Any]) -> None:
        """Set up the stream's maps, sinks and lane."""
        stream = message["stream"]
        with setting_up_maps(stream):
            self.register_stream(message)
        self._schema_messages[stream] = message
        self._map_use.saw_stream(stream, message["schema"]["properties"])
        for doubt in self._map_use.doubts(stream):
            self.logger.warning("%s", doubt)
        self._reader.lanes.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        for stream_map in maps:
            if not isinstance(stream_map, RemoveRecordTransform):
                _ = cast("MixpanelSink", self.get_sink(stream_map.stream_alias)).mapper
        if is_unchanged(maps):
            sink = cast("MixpanelSink", self.get_sink(stream))
            self._reader.lanes[stream] = sink.take_messages

    def take_record_message(self, message: dict[str, Any]) -> None:
        """Apply the stream maps to a record. Streams without maps go through the reader's lanes."""
        stream = message["stream"]
        require_schema(stream, self._schema_messages)
        values = record_of(message, stream)
        schema = self._schema_messages[stream]["schema"]
        self._map_use.saw_record(stream, values, closed=is_closed(schema))
        source = Source(stream, self._schema_messages[stream], whole_messages=False)
        origin = source, msgspec.json.encode(values)
        maps = self.mapper.stream_maps[stream]
        if not sum(self._take_mapped(stream_map, values, origin) for stream_map in maps):
            self.pipeline.account.skip(stream, FILTERED)

    def _take_mapped(self, stream_map: StreamMap, values: dict[str, Any], origin: Origin) -> bool:
        """Apply one map to a record, and return whether the map lets it pass."""
        try:
            record = map_record(stream_map, values)
        except UnmappedRecordError as error:
            rejected = RejectedEvent(stream_map.stream_alias, UNMAPPED, None, str(error))
            self.pipeline.take(rejected, origin)
            return True
        if record is None:
            return False
        cast("MixpanelSink", self.get_sink(stream_map.stream_alias)).take_mapped(record, origin)
        return True

    def take_state_message(self, message: dict[str, Any]) -> None:
        """Note a STATE; the pipeline writes it when every earlier record has an outcome."""
        self.pipeline.state_arrived(message["value"])

    def take_activate_version_message(self, message: dict[str, Any]) -> None:
        """Ignore it: events are never deleted."""

    def take_batch_message(self, message: dict[str, Any]) -> None:
        """Read the files of a BATCH message as if they were RECORD messages."""
        stream = message["stream"]
        require_schema(stream, self._schema_messages)
        storage = (self.config.get("batch_config") or {}).get("storage")
        has_maps = stream not in self._reader.lanes
        for lines in lines_of_batch(message, storage):
            if has_maps:
                for line in lines:
                    record = read_record(line, stream, whole_message=False)
                    self.take_record_message({"stream": stream, "record": record})
            else:
                cast("MixpanelSink", self.get_sink(stream)).take_records(lines)
            self._between_blocks()

    # The end

    def process_endofpipe(self) -> None:
        """Deliver what was read, log the account, and raise the error of the run if it has one.

        Raises:
            ConnectorError: Why the reading ended early, or why not all events were delivered.
        """
        with self._report.after(last_step=True):
            self._end()

    def _end(self) -> None:
        error = self._reader.error
        is_sound = error is None or isinstance(error, InputError | StoppedError)
        try:
            self.pipeline.finish(abandon_unsent=not is_sound)
        except ConnectorError as later:
            # The first error is the cause. What could not be sent comes again.
            if error is not None and is_sound:
                self.logger.error("%s", later)  # noqa: TRY400
            error = error or later
        finally:
            if error is None or self.pipeline.account.read:
                self.progress.log_end()
        if self._stopped_by is not None and (error is None or isinstance(error, StoppedError)):
            raise self._stopped_error(self._stopped_by)
        if error is not None:
            raise error
        if not self._schema_messages:
            require_input(self._reader)
        self._mappers.require_all_mapped()
        self.require_used_names()

    def require_used_names(self) -> None:
        """Fail at the end of a run whose settings name what never came."""
        if unused := find_unused_names(self.config, self._map_use, self._mappers.event_types):
            raise unused

    def _stopped_error(self, signum: int) -> StoppedError:
        return stopped_error(
            signum,
            under_way=self.pipeline.account.under_way,
            has_written_state=self.pipeline.has_written_state,
            dry_run=self.config["dry_run"],
        )

    def _report_page(self, ending: Ending) -> Page:
        retries, streams = self.sender.retries if self._begun else 0, self._schema_messages
        now, begun = self.clock.wall(), self._begun
        return make_page(ending, self.config, begun, retries=retries, now=now, streams=streams)

    def run_facts(self) -> RunFacts:
        """Return what the summary says of the run."""
        return run_facts(
            self._begun,
            retries=self.sender.retries if self._begun else 0,
            now=self.clock.wall(),
            dry_run=self.config.get("dry_run") is True,
        )

    def handle_signal(self, signum: int) -> None:
        """End the reading at the next block of lines; the pipeline asks `_stopped_by` too."""
        end_at_second_signal(self._stopped_by, signum)
        self._stopped_by = signum
        if not self._is_reading and self._begun is not None:
            self.sender.abort(str(self._stopped_error(signum)))
