"""Share what both targets do: `--check`, streams with their maps, signals, the last report."""

from __future__ import annotations

import signal
from abc import abstractmethod
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any, cast

import click

from braze_mixpanel.http.retry_waits import retry_waits
from braze_mixpanel.report.writer import ReportWriter
from braze_mixpanel.sdk import SingerTarget, options_of_config
from braze_mixpanel.singer.message_reader import SingerLineReader, record_of, require_schema
from braze_mixpanel.singer.plugin import ConnectorPlugin
from braze_mixpanel.singer.stream_map_errors import setting_up_maps
from braze_mixpanel.singer.stream_map_names import MapUse, is_closed
from braze_mixpanel.singer.unchanged_records import is_unchanged

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from singer_sdk.mapper import StreamMap
    from typing_extensions import Unpack

    from braze_mixpanel.report.page import Page
    from braze_mixpanel.report.writer import Ending
    from braze_mixpanel.sdk import TargetArguments
    from braze_mixpanel.singer.message_reader import Lane, TooLargeRecordError


class ConnectorTarget(ConnectorPlugin, SingerTarget):
    """Base of both targets. Each says what a run does in the methods that are abstract here.

    A run calls `begin`; then, for each message, what takes it, and `between_blocks` after each
    block of lines; then `end`.
    """

    reads_input = True
    retry_waits = staticmethod(retry_waits)

    def __init__(self, **arguments: Unpack[TargetArguments]) -> None:
        """Read the settings; nothing is opened or sent yet.

        Args:
            arguments: Those of the SDK's `Target`.
        """
        super().__init__(**arguments)
        self.reader = cast("SingerLineReader", self.message_reader)
        self.schema_messages: dict[str, dict[str, Any]] = {}
        """Stream, by the tap's name → its last SCHEMA message."""
        self.map_use = MapUse(self.config.get("stream_maps"))
        self.stopped_by: signal.Signals | None = None
        self._closed: dict[str, bool] = {}
        self._report = ReportWriter(self.config, self.report_page, self.logger)

    def make_reader(self) -> SingerLineReader:
        """Return the reader of the input, with the functions that it calls around its blocks."""
        return SingerLineReader(
            begin=self.begin,
            between_blocks=self.between_blocks,
            around=lambda: self._report.after(last_step=False),
            translating=self.translating_errors,
            is_used=self.is_used,
            take_too_large=self._take_too_large,
        )

    # What a run does

    @abstractmethod
    def begin(self) -> None:
        """Open what the run needs, before the first line is read."""

    @abstractmethod
    def between_blocks(self) -> None:
        """Do what is due after a block of lines; raise to end the reading."""

    @abstractmethod
    def is_used(self, stream: str) -> bool:
        """Return whether a stream, by the tap's name, may be read at all."""

    def translating_errors(self) -> AbstractContextManager[None]:
        """Turn errors of other libraries, at any time of the run, into one line."""
        return nullcontext()

    @abstractmethod
    def stream_began(self, stream: str, maps: Sequence[StreamMap]) -> None:
        """Prepare for the records of a stream, whose SCHEMA has come.

        Args:
            stream: By the tap's name.
            maps: What its records become.
        """

    @abstractmethod
    def lane_of(self, stream: str) -> Lane:
        """Return what takes the RECORD lines of a stream without maps, unparsed."""

    @abstractmethod
    def take_record(self, stream: str, record: dict[str, Any]) -> None:
        """Take a record before its stream maps.

        Args:
            stream: By the tap's name.
            record: The record as the tap wrote it.
        """

    @abstractmethod
    def reject_too_large(self, stream: str, line: bytes, error: TooLargeRecordError) -> None:
        """Take a record with stream maps that is too large to be read, and so to be mapped.

        Args:
            stream: By the tap's name.
            line: The RECORD message.
            error: Why it cannot be read.
        """

    @abstractmethod
    def end(self) -> None:
        """Deliver what was read, log the result, and raise the error of the run if it has one."""

    @abstractmethod
    def report_page(self, ending: Ending) -> Page:
        """Return the report of the run."""

    # Messages

    def take_schema_message(self, message: dict[str, Any]) -> None:
        """Register a stream: its stream maps, its sinks, and its lane in the reader.

        The reader passes the RECORD lines of a stream with a lane to the sink without parsing them.
        Only a stream without stream maps has a lane.
        """
        stream, schema = message["stream"], message["schema"]
        with setting_up_maps(stream):
            self.register_stream(message)
        self.schema_messages[stream] = message
        self._closed[stream] = is_closed(schema)
        self.map_use.saw_stream(stream, schema["properties"])
        self.reader.lanes.pop(stream, None)
        maps = self.mapper.stream_maps[stream]
        self.stream_began(stream, maps)
        if is_unchanged(maps):
            self.reader.lanes[stream] = self.lane_of(stream)

    def take_record_message(self, message: dict[str, Any]) -> None:
        """Take a record with stream maps; streams without maps go through the reader's lanes."""
        stream = message["stream"]
        require_schema(stream, self.schema_messages)
        record = record_of(message, stream)
        self.map_use.saw_record(stream, record, closed=self._closed[stream])
        self.take_record(stream, record)

    def _take_too_large(self, stream: str, line: bytes, error: TooLargeRecordError) -> None:
        require_schema(stream, self.schema_messages)
        self.reject_too_large(stream, line, error)

    # The end

    def process_endofpipe(self) -> None:
        """End the run after the last line, and write the report.

        Raises:
            ConnectorError: The reading failed, or something was not delivered.
        """
        with self._report.after(last_step=True):
            self.end()

    def write_kept_state(self) -> None:
        """Write the STATE that `keep_state` was given last."""
        super().process_endofpipe()

    def handle_signal(self, signum: int) -> None:
        """End soon, see `stop`; a second signal ends the process at once."""
        if self.stopped_by is not None:
            signal.signal(signum, signal.SIG_DFL)
            signal.raise_signal(signum)
        self.stopped_by = signal.Signals(signum)
        self.stop(self.stopped_by)

    @abstractmethod
    def stop(self, by: signal.Signals) -> None:
        """Make the run end soon; runs between two instructions of the main thread."""

    # --check

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command with the option `--check`."""
        command = super().get_singer_command()
        command.params.append(
            click.Option(
                ["--check"],
                is_flag=True,
                expose_value=False,
                callback=lambda ctx, _, is_given: cls.run_check(ctx) if is_given else None,
                help="Check the settings and the connection in a few seconds. Writes nothing.",
            )
        )
        return command

    @classmethod
    def run_check(cls, ctx: click.Context) -> None:
        """Run `--check` with the settings of the command line, and exit."""
        click.echo(cls(**options_of_config(ctx)).check())
        ctx.exit()

    @abstractmethod
    def check(self) -> str:
        """Check in a few seconds everything that a run needs. This writes nothing.

        Returns:
            The result in one line.

        Raises:
            ConnectorError: A run would fail.
        """
