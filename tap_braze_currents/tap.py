"""The tap: connects settings, discovery, streams and the run."""

from __future__ import annotations

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import TapCapabilities
from singer_sdk.tap_base import CliTestOptionValue

from braze_mixpanel.errors import ConnectorError, SettingsError, StoppedError
from braze_mixpanel.sdk import options_of_config
from braze_mixpanel.singer.bucket_read import note_of
from braze_mixpanel.singer.currents_streams import EVENT_TYPE_ANNOTATION, stream_id
from braze_mixpanel.singer.given_files import with_checked_files
from braze_mixpanel.singer.line_writer import LineWriter, UnwrittenLines
from braze_mixpanel.singer.plugin import ConnectorPlugin
from braze_mixpanel.singer.stream_map_names import require_used_maps
from braze_mixpanel.summary.content import RunFacts
from braze_mixpanel.tables import text_table
from tap_braze_currents import settings
from tap_braze_currents.bucket.layout import to_hour
from tap_braze_currents.bucket.store import Bucket
from tap_braze_currents.catalog.discovery import newest_files, short_name, with_found
from tap_braze_currents.catalog.event_types import EventType, registry
from tap_braze_currents.catalog.meltano_selection import meltano_selection
from tap_braze_currents.changes.command import changes_option
from tap_braze_currents.planning.limits import Limits
from tap_braze_currents.run.beginning import begin_run
from tap_braze_currents.run.conditions import RunConditions
from tap_braze_currents.streams import CurrentsStream

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from datetime import datetime
    from pathlib import PurePath

    import click
    from singer_sdk.helpers.capabilities import CapabilitiesEnum
    from typing_extensions import Unpack

    from braze_mixpanel.sdk import TapArguments
    from tap_braze_currents.bucket.store import RemoteFile
    from tap_braze_currents.catalog.discovery import Sample
    from tap_braze_currents.run.run import Run


class TapBrazeCurrents(ConnectorPlugin, Tap):
    """Read the files that Braze Currents writes to a bucket."""

    name = "tap-braze-currents"
    message_writer_class = LineWriter
    message_writer: LineWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        capability
        for capability in Tap.capabilities
        if capability is not TapCapabilities.ACTIVATE_VERSION  # events are only ever added
    ]

    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA

    def __init__(
        self,
        *,
        catalog: dict[str, Any] | PurePath | str | None = None,
        conditions: RunConditions | None = None,
        **options: Unpack[TapArguments],
    ) -> None:
        """Create a tap. It reads nothing yet.

        Args:
            catalog: The catalog as JSON. The tap keeps the event types from it, because the SDK's
                catalog classes drop them.
            conditions: The clocks, the file reader and the pace of the run. Tests pass their own.
            **options: The arguments of the SDK's `Tap`: config, state and so on.
        """
        self._conditions = conditions or RunConditions()
        self._run: Run | None = None
        self._event_types_in_catalog: dict[str, str] = {}
        for entry in catalog.get("streams", []) if isinstance(catalog, dict) else []:
            event_type = entry.get("schema", {}).get(EVENT_TYPE_ANNOTATION)
            if event_type:
                self._event_types_in_catalog[entry["tap_stream_id"]] = event_type
        super().__init__(catalog=catalog, **options)

    @cached_property
    def bucket(self) -> Bucket:
        """The bucket that `storage_url` names.

        Raises:
            SettingsError: The bucket cannot be opened.
        """
        if not self.config["storage_url"].strip():
            raise SettingsError("Setting storage_url is empty: set it to the Currents prefix.")
        return Bucket(self.config["storage_url"], self.config.get("storage_options") or {})

    @property
    def run(self) -> Run:
        """The current run. It exists from the start of `sync_all`.

        Raises:
            RuntimeError: `sync_all` has not been called.
        """
        if self._run is None:
            raise RuntimeError("The run has not begun: streams are read within sync_all().")
        return self._run

    def now(self) -> datetime:
        """Return the present time in UTC."""
        return self._conditions.clock()

    def read_file(self, file: RemoteFile) -> bytes | memoryview:
        """Read a whole object.

        Raises:
            FileNotFoundError: The object was deleted after it was listed.
            ConnectorError: The object cannot be read.
        """
        return self._conditions.read_file(self.bucket, file)

    @cached_property
    def _newest_files(self) -> list[Sample]:
        with ThreadPoolExecutor(self._conditions.listing_threads, "discover") as pool:
            return newest_files(self.bucket, self.now(), pool)

    @property
    def samples(self) -> dict[str, RemoteFile]:
        """Stream id → a file that holds events of this stream.

        Raises:
            ConnectorError: The bucket cannot be listed.
        """
        return {stream_id(sample.event_type): sample.file for sample in self._newest_files}

    def discover_streams(self) -> list[CurrentsStream]:
        """Return one stream for each event type of the registry, the catalog, and the files.

        Only discovery without a catalog opens files. If the bucket cannot be reached, discovery
        logs a warning and returns the registry's event types: Meltano runs discovery at every
        start, and must not fail there.
        """
        # Keyed by stream id: event types that differ only in letter case share one stream.
        types = {known.stream_id: known for known in registry().values()}
        for event_type in self._event_types_in_catalog.values():
            types.setdefault(stream_id(event_type), EventType(event_type, ()))
        catalog = self.input_catalog
        if catalog is not None:
            # Only selected streams are created: creating a stream takes time, and the SDK logs a
            # line for each.
            selected = {
                entry.tap_stream_id
                for entry in catalog.streams
                if entry.metadata.resolve_selection().get((), True)
            }
            types = {name: known for name, known in types.items() if name in selected}
        elif self.config.get("storage_url"):
            try:
                types = with_found(types, self._newest_files)
            except StoppedError:
                raise
            except ConnectorError as error:
                self.logger.warning(
                    "The catalog holds only the event types that this version knows, because the "
                    "bucket cannot be read: %s",
                    error,
                )
        return [CurrentsStream(self, event_type) for event_type in types.values()]

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run `--test` with the selected streams and a table for its output; the SDK's has neither.

        Meltano's `select` decides where there is one, else the given catalog.
        """
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        selection = meltano_selection(os.environ)
        catalog = None
        if selection is None and (file := ctx.params.get("catalog")):
            with file:
                catalog = json.load(file)
        options = options_of_config(ctx)
        tap = cls(**options, catalog=catalog, message_writer=UnwrittenLines())
        tap.run_connection_test(selection)
        ctx.exit()

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command with the option `--changes` and with checks of the given files."""
        command = super().get_singer_command()
        command.params.append(changes_option(cls))
        return with_checked_files(command)

    def run_connection_test(  # type: ignore[misc]  # fails before the first stream
        self, selection: Container[str] | None = None
    ) -> bool:
        """Log which selected streams have files, and emit one record of each such stream.

        Args:
            selection: Ids of the selected streams; the catalog decides if not given.

        Raises:
            ConnectorError: The bucket cannot be listed.
        """
        streams = [
            stream
            for stream in self._currents_streams.values()
            if (stream.selected if selection is None else stream.name in selection)
        ]
        samples = self.samples
        found = [(s.name, short_name(samples[s.name])) for s in streams if s.name in samples]
        self.logger.info(
            "%d of %d selected streams have files:\n%s",
            len(found),
            len(streams),
            text_table(("stream", "newest file"), found),
        )
        return self.run_sync_dry_run(1, streams)

    def repeat_state(self) -> None:
        """Write the STATE that the run began with."""
        self.state_writer.write_state(self.state)

    @property
    def _currents_streams(self) -> dict[str, CurrentsStream]:
        return cast("dict[str, CurrentsStream]", self.streams)

    @property
    def catalog_dict(self) -> dict[str, Any]:
        """The catalog with the event type of each stream, which the SDK's classes drop."""
        catalog = super().catalog_dict
        for entry in catalog["streams"]:
            stream = self._currents_streams[entry["tap_stream_id"]]
            entry["schema"][EVENT_TYPE_ANNOTATION] = stream.event_type
        return catalog

    def sync_all(self) -> None:  # type: ignore[misc]  # a run begins and ends once, not per stream
        """Read all selected streams in one run.

        Raises:
            ConnectorError: Some files could not be read. All others were read.
        """
        require_used_maps(self.config.get("stream_maps"), self._known_fields())
        bucket = self.bucket
        try:
            with begin_run(
                bucket,
                self._limits(),
                [stream for stream in self._currents_streams.values() if stream.selected],
                self.state,
                self.state_writer.write_state,
                self._conditions,
                lambda: self.message_writer.bytes_written,
            ) as run:
                self._run = run
                self.message_writer.note_in_states(lambda: note_of(run.read_so_far()))
                super().sync_all()
                run.finish()
        finally:
            if passed_over := bucket.passed_over.in_words():
                self.logger.warning(passed_over)

    def _known_fields(self) -> dict[str, Iterable[str] | None]:
        """Return every stream with its fields; None for those that are not selected."""
        catalog = self.input_catalog
        others = {event_type.stream_id for event_type in registry().values()}
        others |= {entry.tap_stream_id for entry in catalog.streams} if catalog else set()
        read = {one.name: one.schema["properties"] for one in self.streams.values()}
        return {**read, **dict.fromkeys(others - read.keys())}

    def check_settings(self) -> list[str]:
        """Return the mistakes that the JSON Schema of the settings cannot find."""
        return settings.find_mistakes(self.config)

    def _limits(self) -> Limits:
        start = settings.moment(self.config.get("start_date"))
        end = settings.moment(self.config.get("end_date"))
        if start and start > self.now():
            raise SettingsError(
                f"start_date {self.config['start_date']} is in the future: there is nothing to "
                "read. Set it to the first hour to read (UTC)."
            )
        if start and end and start >= end:
            raise SettingsError("end_date must be after start_date: there is nothing to read.")
        return Limits(
            start_hour=to_hour(start) if start else "",
            end_hour=to_hour(end) if end else "",
            lookback_hours=self.config["lookback_hours"],
            settle_seconds=self.config["settle_seconds"],
            max_files=self.config.get("max_files_per_run"),
            sweep=self.config["sweep"],
        )

    def run_facts(self) -> RunFacts:
        """Return the figures of the run for the summary."""
        return self._run.facts() if self._run else RunFacts()

    def handle_signal(self, signum: int) -> None:
        """Stop the run after the current block of records, so that no output line is cut off."""
        signal.signal(signum, signal.SIG_DFL)  # a second signal ends the process at once
        if self._run is None:
            raise StoppedError("Stopped by a signal before anything was read. Run again.")
        self._run.stop()


if __name__ == "__main__":
    TapBrazeCurrents.cli()
