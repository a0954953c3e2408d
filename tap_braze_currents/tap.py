"""The tap: settings, discovery, and the wiring of a run."""

from __future__ import annotations

from datetime import datetime, timezone
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

from singer_sdk import Tap
from singer_sdk import typing as th
from singer_sdk.helpers.capabilities import TapCapabilities

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.plugin import ConnectorPlugin
from tap_braze_currents.bucket import Bucket
from tap_braze_currents.event_types import EVENT_TYPE_ANNOTATION, registry
from tap_braze_currents.layout import to_hour
from tap_braze_currents.plan import Limits
from tap_braze_currents.run import Run
from tap_braze_currents.streams import CurrentsStream
from tap_braze_currents.writer import LineWriter

if TYPE_CHECKING:
    from types import FrameType

    from singer_sdk.helpers.capabilities import CapabilitiesEnum


class TapBrazeCurrents(ConnectorPlugin, Tap):
    """Reads the files that Braze Currents writes to a bucket."""

    name = "tap-braze-currents"
    message_writer_class = LineWriter
    message_writer: LineWriter
    capabilities: ClassVar[list[CapabilitiesEnum]] = [
        capability
        for capability in Tap.capabilities
        if capability is not TapCapabilities.ACTIVATE_VERSION  # events are only ever added
    ]

    config_jsonschema = th.PropertiesList(
        th.Property(
            "storage_url",
            th.StringType(nullable=False),
            required=True,
            title="Storage URL",
            description="The Currents prefix: s3://, gs://, abfs:// or az://, file:// or a path; "
            "the folder that holds dataexport.….integration.… folders, or any folder of files.",
        ),
        th.Property(
            "storage_options",
            th.ObjectType(additional_properties=True),
            default={},
            secret=True,
            title="Storage options",
            description="Passed to the file system (fsspec): keys, endpoint_url, …",
        ),
        th.Property(
            "start_date",
            th.StringType,
            title="Start date",
            description="First hour to read: an ISO date or datetime, UTC.",
        ),
        th.Property(
            "end_date",
            th.StringType,
            title="End date",
            description="First hour not to read: an ISO date or datetime, UTC.",
        ),
        th.Property(
            "lookback_hours",
            th.IntegerType(minimum=0),
            default=48,
            title="Lookback hours",
            description="How long an hour stays open to files that come late.",
        ),
        th.Property(
            "settle_seconds",
            th.IntegerType(minimum=0),
            default=60,
            title="Settle seconds",
            description="Younger objects wait for the next run; 0: none waits.",
        ),
        th.Property(
            "max_files_per_run",
            th.IntegerType(minimum=1),
            title="Max files per run",
            description="The most files that one run reads, over all streams, oldest hours first.",
        ),
        th.Property(
            "sweep",
            th.BooleanType,
            default=False,
            title="Sweep",
            description="Also look for files that came after their hour was closed: lists every "
            "hour since start_date, so use it now and then, not in each run.",
        ),
    ).to_dict()

    @cached_property
    def run(self) -> Run:
        """The one run of this tap."""
        return Run(
            Bucket(self.config["storage_url"], self.config.get("storage_options") or {}),
            self._limits(),
            self.state,
            self.state_writer.write_state,
            self.logger,
        )

    def discover_streams(self) -> list[CurrentsStream]:
        """Return one stream for each event type of the registry."""
        return [CurrentsStream(self, event_type) for event_type in registry().values()]

    @property
    def _currents_streams(self) -> dict[str, CurrentsStream]:
        return cast("dict[str, CurrentsStream]", self.streams)

    @property
    def catalog_dict(self) -> dict[str, Any]:
        """The catalog, with each stream's exact event type, which the SDK's classes drop."""
        catalog = super().catalog_dict
        for entry in catalog["streams"]:
            stream = self._currents_streams[entry["tap_stream_id"]]
            entry["schema"][EVENT_TYPE_ANNOTATION] = stream.event_type
        return catalog

    def sync_all(self) -> None:  # type: ignore[misc]  # a run begins and ends once, not per stream
        """Read all selected streams.

        Raises:
            ConnectorError: Something could not be read; all the rest was.
        """
        self.run.begin([s for s in self._currents_streams.values() if s.selected])
        try:
            super().sync_all()
            self.run.finish()
        finally:
            self.run.close()

    def check_settings(self) -> list[str]:
        """Check the dates."""
        mistakes = []
        for name in ("start_date", "end_date"):
            try:
                _moment(self.config.get(name))
            except ValueError:
                mistakes.append(
                    f"Setting {name} is wrong: {self.config[name]!r} is no ISO date or datetime. "
                    "Write 2026-11-01 or 2026-11-01T13:00:00Z."
                )
        return mistakes

    def _limits(self) -> Limits:
        start = _moment(self.config.get("start_date"))
        end = _moment(self.config.get("end_date"))
        if start and start > datetime.now(timezone.utc):
            raise SettingsError(
                f"start_date {self.config['start_date']} lies in the future: there is nothing to "
                "read. Set it to the first hour to read (UTC)."
            )
        if start and end and start >= end:
            raise SettingsError("end_date must lie after start_date: nothing lies between them.")
        return Limits(
            start_hour=to_hour(start) if start else "",
            end_hour=to_hour(end) if end else "",
            lookback_hours=self.config["lookback_hours"],
            settle_seconds=self.config["settle_seconds"],
            max_files=self.config.get("max_files_per_run"),
            sweep=self.config["sweep"],
        )

    def _handle_termination(self, signum: int, frame: FrameType | None) -> None:
        """End between two blocks of records, so that no line is cut off."""
        del signum, frame
        self.run.stop()


def _moment(text: str | None) -> datetime | None:
    """Read an ISO date or datetime; UTC where it names no zone.

    Raises:
        ValueError: It is neither.
    """
    if not text:
        return None
    moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
    return moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)


if __name__ == "__main__":
    TapBrazeCurrents.cli()
