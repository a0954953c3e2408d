"""The tap: connects settings, streams and the source of the cohorts."""

from __future__ import annotations

import signal
from contextlib import ExitStack, contextmanager
from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from singer_sdk import Tap
from singer_sdk.helpers.capabilities import CapabilitiesEnum, PluginCapabilities, TapCapabilities
from singer_sdk.tap_base import CliTestOptionValue

from braze_mixpanel.errors import ConnectorError, InputError, StoppedError
from braze_mixpanel.sdk import options_of_config
from braze_mixpanel.settings.shared import API_SECRETS_END_ON
from braze_mixpanel.singer.given_files import with_checked_files
from braze_mixpanel.singer.line_writer import LineWriter, UnwrittenLines
from braze_mixpanel.singer.plugin import ConnectorPlugin
from braze_mixpanel.singer.stream_map_names import require_used_maps
from braze_mixpanel.summary.content import RunFacts, Stop
from braze_mixpanel.tables import shortened, sum_of, text_table
from tap_mixpanel_cohorts import settings
from tap_mixpanel_cohorts.reading.cohort import CHANGES, COHORTS, MEMBERS
from tap_mixpanel_cohorts.streams import CohortStream

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import click

    from tap_mixpanel_cohorts.query.client import QueryClient
    from tap_mixpanel_cohorts.query.run import QueriedCohorts
    from tap_mixpanel_cohorts.reading.cohort import Reading
    from tap_mixpanel_cohorts.reading.pushed import PushedCohorts

_STOPPED: Final = "Stopped by a signal. The complete cohorts were sent. Run again for the rest."


class TapMixpanelCohorts(ConnectorPlugin, Tap):
    """Read Mixpanel cohorts and their members."""

    name = "tap-mixpanel-cohorts"
    message_writer_class = LineWriter
    message_writer: LineWriter
    config_jsonschema: ClassVar[dict[str, Any]] = settings.SCHEMA
    # Not ACTIVATE_VERSION: it would mean that the lists of all cohorts are complete.
    # Not BATCH: records of several streams must come in a fixed order, and BATCH would break it.
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        capability
        for capability in Tap.capabilities
        if capability not in {TapCapabilities.ACTIVATE_VERSION, PluginCapabilities.BATCH}
    ]
    _client: QueryClient | None = None
    _is_writing = False
    _is_stopped = False
    _source: QueriedCohorts | PushedCohorts | None = None
    _covers_until: datetime | None = None

    @cached_property
    def _counts(self) -> dict[str, int]:
        return {"cohorts": 0, "members": 0}

    @classmethod
    def get_singer_command(cls) -> click.Command:
        """Return the command with checks of the given files."""
        return with_checked_files(super().get_singer_command())

    def check_settings(self) -> list[str]:
        """Return the mistakes that the JSON Schema of the settings cannot find."""
        return settings.find_problems(self.config)

    def discover_streams(self) -> list[CohortStream]:
        """Return the streams. This needs no connection."""
        return [CohortStream(self, name) for name in (COHORTS, MEMBERS, CHANGES)]

    def sync_all(self) -> None:  # type: ignore[misc]  # cohorts come one by one over all streams
        """Emit every cohort that is due: its members, then its own record, then STATE.

        The target must know when a list is complete, so the record of the cohort with the count of
        its members comes last.

        Raises:
            ConnectorError: A cohort could not be read completely, and all others were emitted. Or a
                name in the settings does not exist.
        """
        require_used_maps(
            self.config.get("stream_maps"),
            {stream.name: stream.schema["properties"] for stream in self.streams.values()},
        )
        began = datetime.now(timezone.utc)
        with ExitStack() as stack:
            source = self._source = self._open(stack)
            self._write_schemas(is_query=not self._is_pushed)
            try:
                for reading in source.readings():
                    self._write(reading)
            except ConnectorError:
                # Failed queries count against Mixpanel's limit too, so STATE must keep them.
                if not self._is_pushed:
                    self._write_state(source.final_progress())
                raise
            self._write_state(source.final_progress())
            failure = source.failure()
        if failure is not None:
            raise failure
        for stream in self._cohort_streams.values():
            if stream.unmapped.count:
                raise InputError(
                    f"{stream.unmapped.in_words()} Their cohorts were sent without a count, so the "
                    "target does not take them for complete. Pushed cohorts come again."
                )
        self._covers_until = began

    @classmethod
    def cb_test(cls, ctx: click.Context, param: click.Option, value: str) -> None:
        """Run `--test`, log the cohorts as a table, and exit."""
        if value != CliTestOptionValue.All.value:
            super().cb_test(ctx, param, value)
            return
        cls(**options_of_config(ctx), message_writer=UnwrittenLines()).run_connection_test()
        ctx.exit()

    def run_connection_test(self) -> bool:  # type: ignore[misc]  # one query instead of all
        """Send one query, or open the inbox. Log the cohorts, and emit one without its members.

        Raises:
            ConnectorError: The source cannot be read.
        """
        with ExitStack() as stack:
            source = self._open(stack)
            if self._is_pushed:
                reading = next(cast("PushedCohorts", source).readings(), None)
                records = [reading.cohort] if reading else []
            else:
                queried = cast("QueriedCohorts", source)
                records = queried.list_cohorts()
                queried.plan(records)
                self.logger.info("A run reads these cohorts:\n%s", _cohort_table(records))
            stream = self._cohort_streams[COHORTS]
            stream.write_schema()
            for record in records[:1]:
                # The members are not emitted here. With a count, a target could take the empty
                # list for complete and remove all members.
                stream.write_record({**record, "count": None})
            self.message_writer.flush()
        return True

    @property
    def _is_pushed(self) -> bool:
        return bool(self.config.get("inbox_db"))

    @property
    def _cohort_streams(self) -> dict[str, CohortStream]:
        return cast("dict[str, CohortStream]", self.streams)

    @property
    def _progress(self) -> dict[str, Any]:
        bookmarks = self.state.get("bookmarks", {})
        progress = bookmarks.get(COHORTS) if isinstance(bookmarks, dict) else None
        return dict(progress) if isinstance(progress, dict) else {}

    def _open(self, stack: ExitStack) -> QueriedCohorts | PushedCohorts:
        """Open the source that the settings name."""
        shared: dict[str, Any] = {
            "wanted": self.config.get("cohorts"),
            "profile_properties": self.config.get("profile_properties") or [],
            "progress": self._progress,
        }
        if self._is_pushed:
            from tap_mixpanel_cohorts.reading import pushed  # noqa: PLC0415 - loads SQLAlchemy

            url = self.config["inbox_db"]
            cohorts = pushed.PushedCohorts(stack.enter_context(pushed.open_inbox(url)), **shared)
            if cohorts.passed_sequence:
                pushed.note_passed(url, cohorts.passed_sequence)
            return cohorts
        from tap_mixpanel_cohorts.query import (  # noqa: PLC0415 - loads requests
            budget,
            client,
            connection,
            query_moments,
            run,
        )

        if self.config.get("api_secret"):
            self.logger.warning(
                "Mixpanel switches API secrets off on %s: use a service account instead.",
                API_SECRETS_END_ON,
            )
        asked = list(query_moments.moments(self._progress.get("queries")).values())
        self._client = client.QueryClient(
            connection.Project.from_settings(self.config),
            budget.Budget(self.config["query_budget"], asked),
            retry_seconds=self.config["retry_seconds"],
        )
        stack.callback(self._client.close)
        return run.QueriedCohorts(self._client, page_size=self.config["page_size"], **shared)

    def _write_schemas(self, *, is_query: bool) -> None:
        for name, stream in self._cohort_streams.items():
            if stream.selected and not (is_query and name == CHANGES):
                stream.write_schema()

    def _write(self, reading: Reading) -> None:
        people, cohorts = self._cohort_streams[reading.stream], self._cohort_streams[COHORTS]
        unmapped = people.unmapped.count
        if people.selected:
            with people.get_record_counter() as counter:
                for block in reading.blocks:
                    with self._unbroken():
                        people.write_block(block)
                    counter.increment(block.records)
                    self._counts["members"] += block.records
        record = reading.cohort
        if not people.selected or people.unmapped.count > unmapped:
            record = {**record, "count": None}  # members are missing: the list is not complete
        with self._unbroken():
            if cohorts.selected:
                cohorts.write_record(record)
            self._counts["cohorts"] += 1
            self._write_state(reading.progress)

    @contextmanager
    def _unbroken(self) -> Iterator[None]:
        """Delay a signal until the block of output is written, so that no line is cut off."""
        self._is_writing = True
        yield
        self._is_writing = False
        if self._is_stopped:
            raise StoppedError(_STOPPED)

    def _write_state(self, progress: dict[str, Any]) -> None:
        if self._is_pushed and any(one.unmapped.count for one in self._cohort_streams.values()):
            return  # the records that were left out must come again, so STATE must not cover them
        self.state["bookmarks"] = {COHORTS: progress}
        self.state_writer.write_state(self.state)

    def run_facts(self) -> RunFacts:
        """Return the figures of the run for the summary."""
        incomplete = self._source.incomplete if self._source else {}
        return RunFacts(
            counts={
                **self._counts,
                "incomplete_cohorts": len(incomplete),
                "requests": self._client.asked if self._client else 0,
            },
            guards=[Stop(cohort, why) for cohort, why in incomplete.items()],
            state_covers_until=self._covers_until,
        )

    def handle_signal(self, signum: int) -> None:
        """Stop the run between two blocks of output, so that no line is cut off."""
        signal.signal(signum, signal.SIG_DFL)  # a second signal ends the process at once
        if self._client is not None:
            self._client.stop(_STOPPED)
        self._is_stopped = True
        if not self._is_writing:
            raise StoppedError(_STOPPED)


def _cohort_table(records: Sequence[dict[str, Any]]) -> str:
    rows = [(str(one["id"]), str(one.get("name")), int(one.get("count") or 0)) for one in records]
    return text_table(
        ("cohort", "name", "members"),
        shortened(
            rows,
            rank=lambda row: (int(row[2]),),
            rest_of=lambda rest: ("…", f"and {len(rest)} more", sum_of(rest, 2)),
        ),
    )


if __name__ == "__main__":
    TapMixpanelCohorts.cli()
