"""One run over the bucket: reads the planned files in order, keeps the state, tells what was done.

It belongs to the tap, not to a stream: the bound on files, the reading ahead, the STATE messages
and the summary span all streams.
"""

from __future__ import annotations

import logging
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

from braze_mixpanel.errors import ConnectorError, InputError, SettingsError, StoppedError
from tap_braze_currents.bucket.layout import TYPE_FOLDER
from tap_braze_currents.bucket.reading_ahead import READING_THREADS, fetch_ahead, read_object
from tap_braze_currents.formats import json_events as http_landing
from tap_braze_currents.formats.avro_container import BrokenFileError
from tap_braze_currents.formats.avro_decoding import AvroFile
from tap_braze_currents.planning.bookmark import Bookmark
from tap_braze_currents.planning.plan import Plan
from tap_braze_currents.run.progress import Progress, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from singer_sdk.helpers.types import TapState

    from tap_braze_currents.bucket.reading_ahead import Fetched
    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.catalog.event_types import Field
    from tap_braze_currents.formats.avro_decoding import Rows, Selection
    from tap_braze_currents.planning.plan import Limits

logger = logging.getLogger("tap-braze-currents")

SECONDS_BETWEEN_STATES = 3.0
RECORDS_BETWEEN_STATES = 50_000
LISTING_THREADS = 16
MOST_SERVICE_ERRORS = 10
"""So many files in a row that cannot be had: the service is down, or the credentials are over."""


class Reader(Protocol):
    """A stream, as far as reading its files concerns it."""

    name: str
    event_type: str

    @property
    def selection(self) -> Selection:
        """What is wanted of each file."""

    def note_fields(self, path: str, fields: Sequence[Field]) -> None:
        """Look at the fields of a file for those that the catalog does not know."""


class Run:
    """Reads the files of all selected streams, once."""

    def __init__(
        self,
        bucket: Bucket,
        limits: Limits,
        state: TapState,
        write_state: Callable[[TapState], None],
        logger: logging.Logger,
    ) -> None:
        """Prepare; nothing is listed yet.

        Args:
            bucket: Where the files are.
            limits: Which files count.
            state: The tap's state; kept up to date in place.
            write_state: Emits a STATE message.
            logger: For the lines on stderr.
        """
        self._bucket = bucket
        self._limits = limits
        self._state = state
        self._write_state = write_state
        self._logger = logger
        self._progress: dict[str, Progress] = {}
        self._errors: list[ConnectorError] = []
        self._records_since_state = 0
        self._last_state = time.monotonic()
        self._is_stopped = False
        self._services_failed = 0
        """How many files in a row could not be had for another cause than what is in them."""
        self.is_reading = False
        """Whether `stop` ends the run; before that, nothing has been read."""
        self._head: Fetched | None = None
        self._pools = (
            ThreadPoolExecutor(LISTING_THREADS, "list"),
            ThreadPoolExecutor(READING_THREADS, "read"),
        )

    def begin(self, streams: Sequence[Reader], now: datetime | None = None) -> None:
        """List what is to be read; the first files are fetched in the background.

        Args:
            streams: The selected ones, in the order in which they will be read.
            now: The present time.

        Raises:
            ConnectorError: The bucket cannot be listed, or the state not be understood.
        """
        self._now = now or datetime.now(timezone.utc)
        bookmarks = self._state.get("bookmarks", {})
        if not isinstance(bookmarks, dict):
            raise SettingsError("The state holds no bookmarks: start over with --full-refresh.")
        for stream in streams:
            bookmark = Bookmark.from_state(bookmarks.get(stream.name, {}))
            bookmark.begin_run(self._now, self._limits.start_hour, self._limits.lookback_hours)
            self._progress[stream.event_type] = Progress(stream.name, bookmark)
        self._tell_if_start_lies_before_what_was_read()
        listing, reading = self._pools
        self._plan = Plan(
            self._bucket,
            self._limits,
            {name: progress.bookmark for name, progress in self._progress.items()},
            self._now,
            listing,
        )
        self._plan.apply_limit()
        for error in (*self._plan.by_path.errors, *self._plan.errors):
            self._note(error)
        self._fetched = fetch_ahead(
            self._planned(), lambda file: read_object(self._bucket, file), reading
        )
        self.is_reading = True

    def _tell_if_start_lies_before_what_was_read(self) -> None:
        start = self._limits.start_hour
        begun = max((p.bookmark.start_hour for p in self._progress.values()), default="")
        if start < begun and not self._limits.sweep:
            self._logger.warning(
                "start_date is earlier than it was when the first run began with %s: the hours "
                "before that are read only if sweep is set, for one run.",
                begun,
            )

    def files(self, stream: Reader) -> Iterator[Iterator[Rows]]:
        """Read the planned files of a stream.

        A file counts as read when the next one is asked for: by then its records must be out.

        Yields:
            For each file the iterator over its records, which ends early if the file is broken.

        """
        progress = self._progress[stream.event_type]
        while (fetched := self._next_of(stream.event_type)) is not None:
            records_before = progress.records
            yield self._rows(fetched, stream, progress)
            key = fetched.file.key
            if progress.is_complete:
                if key.hour and key.hour <= progress.bookmark.sealed_hour:
                    progress.late += 1
                elif key not in self._plan.pending_keys(stream.event_type):
                    progress.reached_hour = key.hour or progress.reached_hour
                progress.bookmark.mark_read(
                    key,
                    late=progress.bookmark.may_be_late(key, fetched.file.modified),
                    event_types=self._plan.by_path.shared(key),
                )
                progress.files += 1
            progress.has_changed = True
            self._records_since_state += progress.records - records_before
            del fetched  # and its content, before the next is fetched
            self._write_state_if_due()

    def stop(self) -> None:
        """Ask the run to end before the next block of records; `finish` will raise then."""
        self._is_stopped = True

    def write_state(self) -> None:
        """Emit STATE for all files that have been read to their end."""
        bookmarks = self._state.setdefault("bookmarks", {})
        for event_type, progress in self._progress.items():
            if progress.has_changed:
                unread = [*progress.unread, *self._plan.waiting[event_type].unsettled]
                # Files are read in the order of their hours. Those that this run has not come to
                # must stay open, even if the lookback is shorter than it was.
                if progress.reached_hour:
                    latest = min(self._plan.latest_hour, progress.reached_hour)
                    progress.bookmark.seal(self._limits.lookback_hours, latest, unread)
                bookmarks[progress.stream] = progress.bookmark.to_state()
                progress.has_changed = False
        self._write_state(self._state)
        self._records_since_state = 0
        self._last_state = time.monotonic()

    def finish(self) -> None:
        """Emit the last STATE, say what was done, and raise what went wrong on the way.

        Raises:
            ConnectorError: Some file or listing could not be read; all others were. Or the run
                was stopped.
        """
        if self._limits.sweep:
            self._widen_what_was_looked_at()
        self.write_state()
        told = [
            (progress, waiting)
            for event_type, progress in self._progress.items()
            if (waiting := self._plan.waiting[event_type]) or progress.files or progress.unread
        ]
        if told:
            self._logger.info("What was read:\n%s", table(told, self._now))
        if unsettled := self._plan.by_path.unsettled:
            self._logger.info("%d files that are listed by path are too young.", unsettled)
        if quiet := len(self._progress) - len(told):
            self._logger.info("%d selected streams have nothing new.", quiet)
        if self._is_stopped:
            raise StoppedError("Stopped by a signal. Run again: it goes on where this run was.")
        if len(self._errors) == 1:
            raise self._errors[0]
        if self._errors:
            raise _sum_up(self._errors)

    def _widen_what_was_looked_at(self) -> None:
        """After a sweep that left nothing, all hours from its start on have been looked at."""
        for progress in self._progress.values():
            if not (self._is_stopped or self._errors or progress.unread):
                bookmark = progress.bookmark
                bookmark.start_hour = min(bookmark.start_hour, self._limits.start_hour)

    def close(self) -> None:
        """End the background threads."""
        for pool in self._pools:
            pool.shutdown(wait=False, cancel_futures=True)

    def _planned(self) -> Iterator[tuple[str, RemoteFile]]:
        """Chain the streams, so that the first files of one are fetched while another is read."""
        for event_type in self._progress:
            try:
                for file in self._plan.files(event_type):
                    yield event_type, file
            except ConnectorError as error:
                self._note(error)

    def _note(self, error: ConnectorError) -> None:
        """Tell an error, and keep it for the end of the run."""
        self._errors.append(error)
        self._logger.warning("%s", error)

    def _next_of(self, event_type: str) -> Fetched | None:
        """Return the next file if it is of this type; otherwise it waits for its stream."""
        if self._is_stopped or self._services_failed >= MOST_SERVICE_ERRORS:
            return None
        head = self._head or next(self._fetched, None)
        is_own = head is not None and head.event_type == event_type
        self._head = None if is_own else head
        return head if is_own else None

    def _rows(self, fetched: Fetched, stream: Reader, progress: Progress) -> Iterator[Rows]:
        file = fetched.file
        progress.is_complete = False
        try:
            for rows in decoded(file.path, fetched.content.result(), stream):
                if self._is_stopped:
                    return
                yield rows
                progress.records += rows.records
            progress.is_complete = True
            self._services_failed = 0
        except FileNotFoundError:
            progress.unread.add(file.key)  # the next run finds out whether it is gone for good
            progress.bookmark.mark_failed(file.key)
            self._logger.warning("%s was deleted after it was listed; skipped.", file.path)
        except ConnectorError as error:
            progress.unread.add(file.key)
            progress.bookmark.mark_failed(file.key)
            if isinstance(error, BrokenFileError):
                error = InputError(f"{file.path}: {error}. The next run tries it again.")
            elif file.key not in self._plan.pending_keys(fetched.event_type):
                # Those that earlier runs could not read either say nothing about the service now.
                self._services_failed += 1
            self._note(error)

    def _write_state_if_due(self) -> None:
        if (
            self._records_since_state >= RECORDS_BETWEEN_STATES
            or time.monotonic() - self._last_state >= SECONDS_BETWEEN_STATES
        ):
            self.write_state()


def _sum_up(errors: Sequence[ConnectorError]) -> ConnectorError:
    """Make one error of several: of their class, if they have only one."""
    message = f"{len(errors)} files or folders could not be read; they are named above. "
    classes = {type(error) for error in errors}
    if len(classes) == 1 and not isinstance(errors[0], InputError):
        return type(errors[0])(f"{message}The first: {errors[0]}")
    return InputError(f"{message}All others were read, and the next run tries these again.")


def decoded(path: str, content: bytes | memoryview, stream: Reader) -> Iterator[Rows]:
    """Decode a file of whatever form, and let the stream look at its fields."""

    def note_fields(fields: Sequence[Field]) -> None:
        stream.note_fields(path, fields)

    if http_landing.is_json(path):
        file = http_landing.JsonFile(content, stream.event_type)
        yield from file.rows(stream.selection, note_fields)
        if file.of_other_types and TYPE_FOLDER in path:  # elsewhere each stream takes its own
            logger.warning(
                "%s holds %d events of other types than its folder says: they are not read there. "
                "Move the file out of the event_type= folder to have them all.",
                path,
                file.of_other_types,
            )
    else:
        avro = AvroFile(content)
        note_fields(avro.header.fields)
        yield from avro.rows(stream.selection)
