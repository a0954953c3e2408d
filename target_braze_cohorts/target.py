"""The target: connects settings, intake, the database, the run and its report."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import datetime, timezone
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities
from singer_sdk.mapper import RemoveRecordTransform

from braze_mixpanel.errors import InputError, StoppedError
from braze_mixpanel.files.dead_letter import DeadLetter
from braze_mixpanel.http.credentials_check import CHECK_TIMEOUTS
from braze_mixpanel.singer.stream_map_names import has_map, names_without_effect
from braze_mixpanel.singer.target import ConnectorTarget
from target_braze_cohorts.braze.client import TIMEOUTS
from target_braze_cohorts.braze.client_choice import make_client
from target_braze_cohorts.braze.connection_check import check_account
from target_braze_cohorts.intake.completeness import CURRENTLY_SYNCING
from target_braze_cohorts.intake.mapped_records import MappedRecords
from target_braze_cohorts.intake.rejected_members import RejectedMembers
from target_braze_cohorts.run.closing_lines import log_result
from target_braze_cohorts.run.planned_people import PlannedPeople, make_people
from target_braze_cohorts.run.progress_log import INTERVAL_SECONDS
from target_braze_cohorts.run.report_page import make_page
from target_braze_cohorts.run.summary_facts import run_facts
from target_braze_cohorts.settings import definitions as settings
from target_braze_cohorts.settings.changes_stream import changes_stream
from target_braze_cohorts.settings.consistency import (
    default_delivery,
    find_problems,
    missing_credentials,
)
from target_braze_cohorts.sinks import CohortSink

if TYPE_CHECKING:
    import signal
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from singer_sdk.mapper import StreamMap
    from typing_extensions import Unpack

    from braze_mixpanel.report.page import Page
    from braze_mixpanel.report.writer import Ending
    from braze_mixpanel.sdk import TargetArguments
    from braze_mixpanel.singer.message_reader import Lane, TooLargeRecordError
    from braze_mixpanel.summary.content import RunFacts
    from target_braze_cohorts.braze.client import BrazeClient
    from target_braze_cohorts.intake.cohort_records import Intake
    from target_braze_cohorts.intake.completeness import StreamEvidence
    from target_braze_cohorts.run.open_run import OpenRun
    from target_braze_cohorts.run.results import RunResult


class TargetBrazeCohorts(ConnectorTarget):
    """Deliver Mixpanel cohorts, and other lists of people, to Braze."""

    name = "target-braze-cohorts"
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA
    default_sink_class = CohortSink
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        PluginCapabilities.ABOUT,
        PluginCapabilities.STREAM_MAPS,
        PluginCapabilities.FLATTENING,
        PluginCapabilities.STRUCTURED_LOGGING,
    ]

    check_timeouts = CHECK_TIMEOUTS
    chunk_rows = 20_000
    """The most records of the input in memory. Larger chunks are not faster to write."""
    progress_seconds = INTERVAL_SECONDS
    now = staticmethod(partial(datetime.now, timezone.utc))

    def __init__(self, **arguments: Unpack[TargetArguments]) -> None:
        """Read the settings. This opens and sends nothing.

        Args:
            arguments: The arguments of the SDK's `Target`.
        """
        # Set before the settings are read: if the settings are wrong, the summary of the run still
        # reads these attributes.
        self._run: OpenRun | None = None
        self._covers_until: datetime | None = None
        super().__init__(**arguments)
        self._resources = ExitStack()
        self._began: datetime | None = None
        self._maps = MappedRecords(self.logger)

    def validate_settings(self, *, raise_errors: bool) -> list[str]:
        """Check the settings, after `delivery` and `instance` are brought into their final form.

        Without the setting `delivery`, the credentials decide. An instance may be in lower case.
        """
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
        """Check the credentials and the database in a few seconds. This writes nothing.

        Returns:
            The result in one line.

        Raises:
            ConnectorError: The credentials, the database or a path cannot be used.
        """
        from target_braze_cohorts.run.open_run import check_database  # noqa: PLC0415 - SQLAlchemy

        self.rejects.check()
        if self.config["dry_run"]:
            self.people.check()
        check_database(self.config["membership_db"])
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
        """The people whom a dry run would add and remove."""
        return make_people(self.config, self.name)

    @property
    def intake(self) -> Intake:
        """The reader of records by the role of their stream.

        Raises:
            RuntimeError: The run has not begun.
        """
        if self._run is None:
            raise RuntimeError("The run has not begun.")
        return self._run.intake

    @property
    def result(self) -> RunResult | None:
        """The plan and the result of the run, or None before it began."""
        return self._run.sync.result if self._run else None

    # A run

    def is_used(self, stream: str) -> bool:
        """Return whether a stream may have a role; a stream map can rename its own."""
        config = self.config
        names = (
            config["cohorts_stream"],
            config["members_stream"],
            config["profiles_stream"],
            changes_stream(config).name,
        )
        return stream in names or has_map(stream, config.get("stream_maps"))

    def begin(self) -> None:
        """Open the database and lock it against other runs before anything is read."""
        # This loads SQLAlchemy and asyncio, which --about and --version do not need.
        from target_braze_cohorts.run.open_run import RunConditions, open_run  # noqa: PLC0415

        self._began = began = self.now()
        conditions = RunConditions(
            self.logger, self.retry_waits, self.chunk_rows, self.progress_seconds
        )
        run = open_run(
            self.config, self._client(), self.rejects, began=began, conditions=conditions
        )
        self._run = self._resources.enter_context(run)

    def translating_errors(self) -> AbstractContextManager[None]:
        """Convert errors of the database into errors with a one-line message."""
        from target_braze_cohorts.store.database_errors import database_errors  # noqa: PLC0415

        return database_errors()

    def between_blocks(self) -> None:
        """Raise if a signal has come."""
        if self.stopped_by is not None:
            name = self.stopped_by.name
            raise StoppedError(f"Stopped by {name} while reading: nothing was sent.")

    def stream_began(self, stream: str, maps: Sequence[StreamMap]) -> None:
        """Note the SCHEMA as the beginning of the streams that the stream becomes."""
        del maps
        for evidence in self._evidence_of(stream):
            evidence.saw_schema(stream)

    def lane_of(self, stream: str) -> Lane:
        """Return what takes the RECORD lines of a stream without maps, unparsed."""
        return cast("CohortSink", self.get_sink(stream)).take_lines

    def take_record(self, stream: str, record: dict[str, Any]) -> None:
        """Take a record through its stream maps."""
        for stream_map in self.mapper.stream_maps[stream]:
            mapped = self._maps.apply(
                stream_map, record, self.schema_messages[stream], self.intake, self.rejects
            )
            if mapped is not None:
                self.get_sink(stream_map.stream_alias).process_record(mapped, {})

    def reject_too_large(self, stream: str, line: bytes, error: TooLargeRecordError) -> None:
        """Set a record aside in each stream that it would have become."""
        for stream_map in self.mapper.stream_maps[stream]:
            if not isinstance(stream_map, RemoveRecordTransform):
                sink = self.get_sink(stream_map.stream_alias)
                cast("CohortSink", sink).take_too_large(line, error, self.schema_messages[stream])

    def take_state_message(self, message: dict[str, Any]) -> None:
        """Keep STATE for the end, without `currently_syncing`.

        Meltano merges states, and an empty STATE changes nothing. So a `currently_syncing` that was
        passed on would stay in the stored state, and the next run of the tap would begin at that
        stream.
        """
        state = message["value"]
        for evidence in self.intake.evidence():
            evidence.saw_state(state)
        self.keep_state({k: value for k, value in state.items() if k != CURRENTLY_SYNCING})

    def take_activate_version_message(self, message: dict[str, Any]) -> None:
        """Note the message as proof that the list of a stream is complete."""
        for evidence in self._evidence_of(message["stream"]):
            evidence.saw_activate_version()

    def _evidence_of(self, source: str) -> list[StreamEvidence]:
        """Return the evidence of the streams that a tap's stream becomes after stream maps."""
        maps = self.mapper.stream_maps.get(source, ())
        aliases = {stream_map.stream_alias for stream_map in maps}
        return [evidence for evidence in self.intake.evidence() if evidence.stream in aliases]

    def take_batch_message(self, message: dict[str, Any]) -> None:
        """Raise, because this target does not read BATCH files.

        Raises:
            InputError: Always.
        """
        raise InputError(
            f"Stream {message['stream']} comes in BATCH files, which this target does not "
            "read. Remove batch_config from the tap's settings."
        )

    # The end

    def end(self) -> None:
        """Deliver the cohorts, log the result, and write STATE if everything was delivered.

        Raises:
            ConnectorError: Reading failed, or something was not delivered.
        """
        error = self.reader.error
        if error is None and self.schema_messages:
            error = names_without_effect(
                self.map_use.find_unused(), "Nothing was sent. Correct the name or remove it."
            )
            error = error or self._maps.mistake()
        if error is None and self.reader.is_empty and self.reader.is_file:
            self._resources.close()
            return  # an empty file, for example the dead letter of a run without rejected members
        with self.translating_errors(), self._resources:
            if self._run is not None and (error is None or isinstance(error, InputError)):
                self._deliver(self._run, cut=error is not None)
                error = error or self._run.sync.failure()
        if error is not None:
            raise error
        if not self.config["dry_run"]:
            self.write_kept_state()
            self._covers_until = self._began if self.schema_messages else None

    def _deliver(self, run: OpenRun, *, cut: bool) -> None:
        try:
            run.sync.run(cut=cut, streams=self.schema_messages)
            if self.config["dry_run"]:
                run.sync.write_people(self.people)
        finally:
            self.rejects.flush()
            log_result(
                self.logger,
                run.sync.result,
                config=self.config,
                streams=self.schema_messages,
                unusable=run.intake.unusable,
                set_aside=run.intake.set_aside,
                people=self.people if self.config["dry_run"] else None,
                rejected=self.rejects.where,
            )

    def report_page(self, ending: Ending) -> Page:
        """Return the report of the run."""
        people = self.people.where if self.config["dry_run"] and self.people.count else ""
        letter = self.rejects.where
        return make_page(ending, self.config, self.result, dead_letter=letter, people=people)

    def run_facts(self) -> RunFacts:
        """Return the figures of the run for the summary."""
        return run_facts(
            self.result,
            dry_run=self.config.get("dry_run") is True,
            dead_letter=self.rejects.where if self._run else None,
            state_covers_until=self._covers_until,
        )

    def stop(self, by: signal.Signals) -> None:
        """Start no more requests; `between_blocks` ends the reading."""
        if self._run is not None:
            self._run.stop(
                f"Stopped by {by.name}: what Braze acknowledged is kept. Run again for the rest."
            )

    def _client(self, timeouts: tuple[float, float] = TIMEOUTS) -> BrazeClient:
        return make_client(self.config, timeouts, lambda: self.now().timestamp())
