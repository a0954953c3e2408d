"""Settings and wiring of target-braze-cohorts."""

from __future__ import annotations

import signal
import threading
import time
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities

from braze_mixpanel.errors import InputError, StoppedError
from braze_mixpanel.files.dead_letter import DeadLetter
from braze_mixpanel.http.credentials_check import CHECK_TIMEOUTS
from braze_mixpanel.http.rate_limit import SharedRateLimit
from braze_mixpanel.http.retry_waits import retry_waits
from braze_mixpanel.http.send_loop import SendLoop
from braze_mixpanel.report.writer import ReportWriter
from braze_mixpanel.sdk import SingerTarget
from braze_mixpanel.settings.redaction import protect_logs, secret_values
from braze_mixpanel.singer.message_reader import (
    SingerLineReader,
    is_unchanged,
    record_of,
    require_schema,
)
from braze_mixpanel.singer.plugin import CheckablePlugin, end_at_second_signal
from braze_mixpanel.singer.stream_map_errors import setting_up_maps
from braze_mixpanel.singer.stream_map_names import MapUse, is_closed, names_without_effect
from target_braze_cohorts.braze.client import TIMEOUTS, make_client
from target_braze_cohorts.braze.connection_check import check_account
from target_braze_cohorts.intake.cohort_records import Intake
from target_braze_cohorts.intake.completeness import CURRENTLY_SYNCING
from target_braze_cohorts.intake.mapped_records import MappedRecords
from target_braze_cohorts.intake.rejected_members import RejectedMembers
from target_braze_cohorts.run.closing_lines import log_result
from target_braze_cohorts.run.facts import run_facts
from target_braze_cohorts.run.planned_people import PlannedPeople, make_people
from target_braze_cohorts.run.progress_log import INTERVAL_SECONDS, logged_progress
from target_braze_cohorts.run.report_page import make_page
from target_braze_cohorts.settings import definitions as settings
from target_braze_cohorts.settings.changes_stream import changes_stream
from target_braze_cohorts.settings.consistency import (
    default_delivery,
    find_problems,
    missing_credentials,
)
from target_braze_cohorts.settings.identifier_property import is_joined
from target_braze_cohorts.settings.workspace import workspace_key
from target_braze_cohorts.sinks import CohortSink

if TYPE_CHECKING:
    from collections.abc import Iterator

    from typing_extensions import Unpack

    from braze_mixpanel.report.page import Page
    from braze_mixpanel.report.writer import Ending
    from braze_mixpanel.sdk import TargetArguments
    from braze_mixpanel.summary.content import RunFacts
    from target_braze_cohorts.braze.client import BrazeClient
    from target_braze_cohorts.intake.completeness import StreamEvidence
    from target_braze_cohorts.run.results import RunResult
    from target_braze_cohorts.run.sync import Sync

GRACE_SECONDS = 10.0
"""How long a request that is under way may last after a signal."""


class TargetBrazeCohorts(CheckablePlugin, SingerTarget):
    """Delivers Mixpanel cohorts, and other lists of people, to Braze."""

    name = "target-braze-cohorts"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA
    default_sink_class = CohortSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    retry_waits = staticmethod(retry_waits)
    check_timeouts = CHECK_TIMEOUTS
    chunk_rows = 20_000
    """Records of the input in memory; more are no faster to write to the database."""
    progress_seconds = INTERVAL_SECONDS
    now = staticmethod(partial(datetime.now, timezone.utc))

    def __init__(self, **arguments: Unpack[TargetArguments]) -> None:
        """Read the settings; nothing is opened or sent yet.

        Args:
            arguments: Those of the SDK's `Target`.
        """
        # Before the settings are read: the summary of a run with wrong settings looks at these.
        self._sync: Sync | None = None
        self._intake: Intake | None = None
        self._covers_until: datetime | None = None
        super().__init__(**arguments)
        self._reader = cast("SingerLineReader", self.message_reader)
        self._resources = ExitStack()
        self._stopped_by: str | None = None
        self._began: datetime | None = None
        self._streams: dict[str, dict[str, Any]] = {}
        self._maps = MappedRecords(self.logger)
        self._closed: dict[str, bool] = {}
        self._map_use = MapUse(self.config.get("stream_maps"))
        self._page = ReportWriter(self.config, self._report_page, self.logger)

    def make_reader(self) -> SingerLineReader:
        """Make the reader of the input, with what is called around it."""
        return SingerLineReader(
            begin=self._begin,
            between_blocks=self._between_blocks,
            around=lambda: self._page.after(last_step=False),
            translating=self._translating,
            is_used=self._is_used,
        )

    def validate_settings(self, *, raise_errors: bool) -> list[str]:
        """Check the settings; credentials choose the delivery, an instance may be lower case."""
        if self.changeable_config.get("delivery") is None:
            self.changeable_config["delivery"] = default_delivery(self.changeable_config)
        instance = self.changeable_config.get("instance")
        if isinstance(instance, str):
            self.changeable_config["instance"] = instance.upper()
        return super().validate_settings(raise_errors=raise_errors)

    def check_settings(self) -> list[str]:
        """Find mistakes that the schema cannot express."""
        return find_problems(self.changeable_config)

    def check(self) -> str:
        """Check the credentials and the database, in seconds; nothing is written.

        Returns:
            What is good, in one line.

        Raises:
            ConnectorError: Something is wrong.
        """
        from target_braze_cohorts.store import database  # noqa: PLC0415 - loads SQLAlchemy

        self._protect_password(database.parse_url(self.config["membership_db"]).password)
        self.rejects.check()
        if self.config["dry_run"]:
            self.people.check()
        database.check_database(self.config["membership_db"])
        if missing_credentials(self.config):  # the settings allow this for a dry run only
            return "All is well: a dry run sends nothing, and the membership database can be used."
        return check_account(self._client(self.check_timeouts))

    @cached_property
    def rejects(self) -> RejectedMembers:
        """Writes members that cannot be delivered to the dead letter."""
        dead_letter = DeadLetter(
            self.config["dead_letter_path"], self.name, options=self.config.get("path_options")
        )
        return RejectedMembers(self.config, dead_letter)

    @cached_property
    def people(self) -> PlannedPeople:
        """Shows who a dry run would add and remove."""
        return make_people(self.config, self.name)

    @property
    def intake(self) -> Intake:
        """Reads records by the role of their stream.

        Raises:
            RuntimeError: The reading has not begun.
        """
        if self._intake is None:
            raise RuntimeError("The run has not begun.")
        return self._intake

    @property
    def result(self) -> RunResult | None:
        """What the run planned and did; None before it began."""
        return self._sync.result if self._sync else None

    # Messages

    def _is_used(self, stream: str) -> bool:
        """Return whether a stream may have a role; a stream map can rename any to one that has."""
        config = self.config
        names = (
            config["cohorts_stream"],
            config["members_stream"],
            config["profiles_stream"],
            changes_stream(config).name,
        )
        return stream in names or bool(config.get("stream_maps"))

    def _begin(self) -> None:
        """Open the database and lock it against other runs before anything is read."""
        # These imports load SQLAlchemy and asyncio, which --about and --version do not need.
        from target_braze_cohorts.braze.senders import Senders  # noqa: PLC0415
        from target_braze_cohorts.run.sync import Sync  # noqa: PLC0415
        from target_braze_cohorts.store import database, run_tables  # noqa: PLC0415

        config = self.config
        self._began = self.now()
        self._protect_password(database.parse_url(config["membership_db"]).password)
        self.rejects.check()
        workspace = workspace_key(config)
        connection = self._resources.enter_context(
            database.open_database(config["membership_db"], workspace)
        )
        client = self._client()
        self._resources.callback(client.close)
        self._resources.callback(self.rejects.close)
        tables = run_tables.create_tables(
            connection, workspace, joined=is_joined(config), chunk_rows=self.chunk_rows
        )
        self._intake = Intake(config, tables.staging, self.rejects)
        rate_limit = SharedRateLimit(config["concurrency"])
        self._loop = SendLoop(
            client.endpoint, logger=self.logger, waits=self.retry_waits, gate=rate_limit
        )
        self._sync = Sync(
            config,
            intake=self._intake,
            tables=tables,
            senders=Senders(
                client,
                self._loop,
                rate_limit,
                concurrency=config["concurrency"],
                retry_seconds=config["retry_seconds"],
            ),
            rejects=self.rejects,
            now=self._began,
        )
        self._resources.enter_context(
            logged_progress(self._sync, self.logger, time.monotonic, self.progress_seconds)
        )

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """Turn errors of the database, at any time, into one line."""
        from target_braze_cohorts.store.database_errors import database_errors  # noqa: PLC0415

        with database_errors():
            yield

    def _between_blocks(self) -> None:
        if self._stopped_by is not None:
            raise StoppedError(f"Stopped by {self._stopped_by} while reading: nothing was sent.")

    def take_schema_message(self, message: dict[str, Any]) -> None:
        """Set up the stream's maps, sinks and lane."""
        stream = message["stream"]
        with setting_up_maps(stream):
            self.register_stream(message)
        self._streams[stream] = message
        self._closed[stream] = is_closed(message["schema"])
        self._map_use.saw_stream(stream, message["schema"]["properties"])
        self._reader.lanes.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        for evidence in self._evidence_of(stream):
            evidence.saw_schema(stream)
        if is_unchanged(maps):
            self._reader.lanes[stream] = cast("CohortSink", self.get_sink(stream)).take_lines

    def take_record_message(self, message: dict[str, Any]) -> None:
        """Take a record through the stream maps; those without maps have the reader's fast lane."""
        stream = message["stream"]
        require_schema(stream, self._streams)
        original = record_of(message, stream)
        self._map_use.saw_record(stream, original, closed=self._closed[stream])
        for stream_map in self.mapper.stream_maps[stream]:
            record = self._maps.apply(
                stream_map, original, self._streams[stream], self.intake, self.rejects
            )
            if record is not None:
                self.get_sink(stream_map.stream_alias).process_record(record, {})

    def take_state_message(self, message: dict[str, Any]) -> None:
        """Keep STATE for the end, without `currently_syncing`.

        Meltano ignores an empty STATE, so a `currently_syncing` that was passed on would stay in
        the stored state, and the tap's next run would begin at another stream.
        """
        state = message["value"]
        for evidence in self.intake.evidence():
            evidence.saw_state(state)
        self.keep_state({k: value for k, value in state.items() if k != CURRENTLY_SYNCING})

    def take_activate_version_message(self, message: dict[str, Any]) -> None:
        """Note it as proof that the list of a stream is complete."""
        for evidence in self._evidence_of(message["stream"]):
            evidence.saw_activate_version()

    def _evidence_of(self, source: str) -> list[StreamEvidence]:
        """Return the evidence of the streams that a tap's stream becomes after stream maps."""
        maps = self.mapper.stream_maps.get(source, ())
        aliases = {stream_map.stream_alias for stream_map in maps}
        return [evidence for evidence in self.intake.evidence() if evidence.stream in aliases]

    def take_batch_message(self, message: dict[str, Any]) -> None:
        """Reject BATCH files.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"Stream {message['stream']} comes in BATCH files, which this target does not "
            "read. Remove batch_config from the tap's settings."
        )

    # The end

    def process_endofpipe(self) -> None:
        """Deliver what was read, log what was done, and write STATE if everything was delivered.

        Raises:
            ConnectorError: The reading failed, or something was not delivered.
        """
        with self._page.after(last_step=True):
            self._end()

    def _end(self) -> None:
        error = self._reader.error
        if error is None and self._streams:
            error = names_without_effect(
                self._map_use.find_unused(), "Nothing was sent. Correct the name or remove it."
            )
            error = error or self._maps.mistake()
        if error is None and self._reader.is_empty and self._reader.is_file:
            self._resources.close()
            return  # a dead letter of a run that had nothing to keep
        with self._translating(), self._resources:
            if self._sync is not None and (error is None or isinstance(error, InputError)):
                self._deliver(self._sync, cut=error is not None)
                error = error or self._sync.failure()
        if error is not None:
            raise error
        if not self.config["dry_run"]:
            super().process_endofpipe()
            self._covers_until = self._began if self._streams else None

    def _deliver(self, sync: Sync, *, cut: bool) -> None:
        try:
            sync.run(cut=cut, streams=self._streams)
            if self.config["dry_run"]:
                sync.write_people(self.people)
        finally:
            self.rejects.flush()
            log_result(
                self.logger,
                sync.result,
                config=self.config,
                streams=self._streams,
                unusable=self._intake.unusable if self._intake else 0,
                people=self.people if self.config["dry_run"] else None,
                rejected=self.rejects.where,
            )

    def _report_page(self, ending: Ending) -> Page:
        return make_page(
            ending, self.config, self.result, dead_letter=str(self.rejects.where or "")
        )

    def run_facts(self) -> RunFacts:
        """Return what the summary says of the run."""
        return run_facts(
            self.result,
            dry_run=self.config.get("dry_run") is True,
            dead_letter=self.rejects.where if self._intake else None,
            state_covers_until=self._covers_until,
        )

    def handle_signal(self, signum: int) -> None:
        """End after the requests in flight; a second signal ends the process at once."""
        end_at_second_signal(self._stopped_by, signum)
        self._stopped_by = signal.Signals(signum).name
        if self._sync is not None:
            self._loop.stop(
                f"Stopped by {self._stopped_by}: what Braze acknowledged is kept. Run again for "
                "the rest."
            )
            # A server that answers slowly, or never, must not hold the process.
            timer = threading.Timer(GRACE_SECONDS, self._sync.abort)
            timer.daemon = True
            timer.start()

    def _client(self, timeouts: tuple[float, float] = TIMEOUTS) -> BrazeClient:
        return make_client(self.config, timeouts, lambda: self.now().timestamp())

    def _protect_password(self, password: str | None) -> None:
        # By the same rule as for settings: masking a very short password would garble every line.
        protect_logs(secret_values({"membership_db": password}, self.config_jsonschema))
