"""Run once over the bucket: read the planned files in order, and emit STATE between them.

A run belongs to the tap and not to a stream: the limit on files, reading ahead, STATE messages and
the summary concern all streams together.
"""

from __future__ import annotations

import logging
from concurrent.futures import TimeoutError as NotYetError
from typing import TYPE_CHECKING

from braze_mixpanel.errors import ConnectorError, StoppedError
from braze_mixpanel.singer.currents_streams import stream_id
from braze_mixpanel.singer.stream_map_errors import UnmappedRecords
from braze_mixpanel.summary.content import RunFacts
from tap_braze_currents.bucket.layout import to_datetime
from tap_braze_currents.bucket.reading_ahead import fetch_ahead
from tap_braze_currents.formats.errors import BrokenFileError, NoEventsFileError
from tap_braze_currents.run.file_failures import FileFailures
from tap_braze_currents.run.file_records import file_records
from tap_braze_currents.run.progress_log import Done
from tap_braze_currents.run.read_so_far import sum_up_read
from tap_braze_currents.run.stream_progress import StreamProgress, progress_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from concurrent.futures import Executor

    from singer_sdk.helpers.types import TapState

    from braze_mixpanel.singer.bucket_read import BucketRead
    from braze_mixpanel.singer.stream_map_errors import UnmappedRecordError
    from tap_braze_currents.bucket.reading_ahead import Fetched
    from tap_braze_currents.bucket.store import RemoteFile
    from tap_braze_currents.formats.records import Rows
    from tap_braze_currents.planning.files_to_read import FilesToRead
    from tap_braze_currents.run.conditions import RunConditions
    from tap_braze_currents.run.file_records import SelectedStream
    from tap_braze_currents.run.state_pace import StatePace

logger = logging.getLogger("tap-braze-currents")

_STEP_SECONDS = 0.25  # in which a run that waits for a file notices a stop


class Run:
    """Reads the files of all selected streams, once. `beginning.begin_run` makes it."""

    def __init__(
        self,
        *,
        plan: FilesToRead,
        progress: Mapping[str, StreamProgress],
        state: TapState,
        write_state: Callable[[TapState], None],
        read_file: Callable[[RemoteFile], bytes | memoryview],
        pool: Executor,
        conditions: RunConditions,
        pace: StatePace,
    ) -> None:
        """Create the run of a plan. The first file is read when the first stream asks for it.

        Args:
            plan: The files to read.
            progress: Event type → the stream's progress, in the order of reading.
            state: The tap's state. The run updates it in place.
            write_state: Emits a STATE message.
            read_file: Reads a whole object.
            pool: The threads that read.
            conditions: The timer and the limits.
            pace: Decides when STATE is due.
        """
        self._plan = plan
        self._progress = progress
        self._state = state
        self._emit_state = write_state
        self._conditions = conditions
        self._pace = pace
        self._is_stopped = False
        self._covered = ""
        """The newest hour in the last STATE."""
        self._is_complete = False
        """Whether the current file was read to its end."""
        self._unmapped = UnmappedRecords()
        """Records of the file that is read which no stream map could take."""
        self._failures = FileFailures(conditions.most_failures_in_a_row)
        for error in plan.errors:
            self._failures.note(error)
        self._fetched = fetch_ahead(self._planned(), read_file, pool, conditions.files_ahead)
        self._head: Fetched | None = None
        """The next file, read ahead, if it belongs to a stream that is read later."""

    def files(self, stream: SelectedStream) -> Iterator[Iterator[Rows]]:
        """Read the planned files of a stream.

        The caller must write all records of a file before it asks for the next file: by asking for
        the next file it confirms that the records are written.

        Yields:
            For each file an iterator over its blocks of records. It ends early if the file is
            broken.
        """
        for event_type in self._progress:
            if stream_id(event_type) == stream.name:
                yield from self._files(event_type, stream)

    def _files(self, event_type: str, stream: SelectedStream) -> Iterator[Iterator[Rows]]:
        """Read the planned files of one spelling of a stream's event type."""
        progress = self._progress[event_type]
        while (fetched := self._next_of(event_type)) is not None:
            # The iteration itself confirms that records are written:
            #
            # 1. `yield` hands the file's records to the stream, and this generator pauses.
            # 2. The stream writes all records of the file to standard output.
            # 3. The stream asks for the next file. Only then does the code below `yield` run.
            #
            # So the file is marked as read, and named in STATE, only after its last record was
            # written. If the stream fails in step 2, this generator never continues, and the next
            # run reads the file again.
            progress.begin_file()
            records_before = progress.records
            yield self._records(fetched, stream, progress)
            key = fetched.file.key
            if self._is_complete:
                progress.mark_read(
                    key,
                    fetched.file.modified,
                    was_pending=key in self._plan.pending_keys(event_type),
                    event_types=self._plan.by_path.types_to_remember(key),
                )
            self._pace.add_records(progress.records - records_before)
            del fetched  # frees the memory of this file before the next one is taken
            if self._pace.is_due():
                self.write_state()

    def stop(self) -> None:
        """Stop the run before the next block of records. `finish` then raises StoppedError."""
        self._is_stopped = True

    def note_unmapped(self, error: UnmappedRecordError) -> None:
        """Note that a record of the current file could not be mapped and is left out."""
        self._unmapped.add(error)

    def write_state(self) -> None:
        """Emit a STATE message that covers all files read to their end."""
        self._pace.write(self._update_and_emit)

    def _update_and_emit(self) -> None:
        bookmarks = self._state.setdefault("bookmarks", {})
        for event_type, progress in self._progress.items():
            if progress.has_changed:
                bookmarks[progress.stream] = progress.to_state(
                    self._plan.limits.lookback_hours,
                    self._plan.latest_hour,
                    self._plan.waiting(event_type).unsettled,
                )
        self._emit_state(self._state)
        self._covered = max(
            (one.bookmark.newest_hour for one in self._progress.values()), default=""
        )

    def done(self) -> Done:
        """Return the progress so far."""
        files = sum(progress.files for progress in self._progress.values())
        records = sum(progress.records for progress in self._progress.values())
        planned, is_listed = self._plan.counted()
        hour = max((progress.reached_hour for progress in self._progress.values()), default="")
        return Done(files, records, planned, is_listed, hour)

    def read_so_far(self) -> BucketRead:
        """Return what was read up to now, for the report of a target."""
        return sum_up_read(self._plan, self._progress.values())

    def facts(self) -> RunFacts:
        """Return the figures of the run for the summary."""
        done = self.done()
        waiting = [self._plan.waiting(event_type) for event_type in self._progress]
        newest = self._newest_hour()
        behind = self._conditions.clock() - to_datetime(newest) if newest else None
        return RunFacts(
            counts={
                "streams": len(self._progress),
                "files": done.files,
                "records": done.records,
                "unreadable_files": sum(len(one.unread) for one in self._progress.values()),
            },
            lag_seconds=max(0.0, behind.total_seconds()) if behind is not None else None,
            files_waiting=sum(len(one.unsettled) + one.beyond_limit for one in waiting)
            + self._plan.by_path.unsettled,
            state_covers_until=to_datetime(self._covered) if self._covered else None,
        )

    def _newest_hour(self) -> str:
        return max((one.bookmark.newest_hour for one in self._progress.values()), default="")

    def finish(self) -> None:
        """Emit the last STATE, log the summary, and raise the errors of the run.

        Raises:
            StoppedError: The run was stopped.
            ConnectorError: Some files or listings could not be read. All others were read.
        """
        if self._plan.limits.sweep:
            self._extend_swept_bookmarks()
        self.write_state()
        self._log_summary()
        if self._is_stopped:
            raise StoppedError("Stopped by a signal. Run again: it goes on where this run was.")
        if error := self._failures.error():
            raise error

    def _extend_swept_bookmarks(self) -> None:
        """After a sweep that read everything, record in the bookmarks where it began."""
        for progress in self._progress.values():
            if not (self._is_stopped or self._failures.errors or progress.unread):
                progress.bookmark.mark_swept(self._plan.limits.start_hour)

    def _log_summary(self) -> None:
        rows = [
            (progress, waiting)
            for event_type, progress in self._progress.items()
            if (waiting := self._plan.waiting(event_type)) or progress.files or progress.unread
        ]
        if rows:
            logger.info("What was read:\n%s", progress_table(rows, self._plan.now))
        if quiet := len(self._progress) - len(rows):
            logger.info("%d selected streams have nothing new.", quiet)
        young = sum(len(waiting.unsettled) for _, waiting in rows) + self._plan.by_path.unsettled
        if young:
            logger.info(
                "%d files are younger than settle_seconds and wait for the next run. Run again in "
                "%d seconds, or set settle_seconds to 0 if nothing writes to the bucket.",
                young,
                self._plan.limits.settle_seconds,
            )

    def _planned(self) -> Iterator[tuple[str, RemoteFile]]:
        """Yield the files of all streams, one stream after the other.

        Reading ahead works on this one sequence, so the first files of a stream are already read
        while the last files of the stream before are decoded.
        """
        for event_type in self._progress:
            try:
                for file in self._plan.files(event_type):
                    yield event_type, file
            except ConnectorError as error:
                self._failures.note(error)

    def _next_of(self, event_type: str) -> Fetched | None:
        """Return the next file if it is of this type; otherwise keep it for its stream."""
        if self._is_stopped or self._failures.is_hopeless:
            return None
        head = self._head or next(self._fetched, None)
        is_own = head is not None and head.event_type == event_type
        self._head = None if is_own else head
        return head if is_own else None

    def _records(
        self, fetched: Fetched, stream: SelectedStream, progress: StreamProgress
    ) -> Iterator[Rows]:
        """Decode a file block by block. An error ends this file, not the run."""
        file = fetched.file
        self._is_complete = False
        self._unmapped = UnmappedRecords()
        try:
            content = self._content(fetched)
            if content is None:
                return
            for rows in file_records(file.path, content, stream):
                if self._is_stopped:
                    return
                yield rows
                progress.add_records(rows.records)
            self._require_all_mapped(progress)
            self._is_complete = True
            self._failures.file_was_read()
        except NoEventsFileError as error:
            self._is_complete = True  # counts as read: another run would not find events either
            logger.warning("%s is skipped: %s.", file.path, error)
        except FileNotFoundError:
            progress.mark_failed(file.key)  # the next run checks whether the file exists
            logger.warning("%s was deleted after it was listed. It is skipped.", file.path)
        except Exception as error:  # noqa: BLE001 - a file must not end the run, whatever it holds
            progress.mark_failed(file.key)
            # Files that earlier runs could not read either say nothing about the service now.
            is_pending = file.key in self._plan.pending_keys(fetched.event_type)
            self._failures.note_file(file.path, error, is_pending=is_pending)

    def _require_all_mapped(self, progress: StreamProgress) -> None:
        """Raise if records of the file could not be mapped, so that it does not count as read."""
        if self._unmapped.count:
            progress.add_records(-self._unmapped.count)
            raise BrokenFileError(self._unmapped.in_words().rstrip("."))

    def _content(self, fetched: Fetched) -> bytes | memoryview | None:
        """Wait for the content of a file. Return None if the run is stopped meanwhile."""
        while not self._is_stopped:
            try:
                return fetched.content.result(_STEP_SECONDS)
            except NotYetError:
                # Since Python 3.11 this class is the built-in TimeoutError, which a read may raise
                # too. If the future is done, the error comes from the read.
                if fetched.content.done():
                    raise
        return None
