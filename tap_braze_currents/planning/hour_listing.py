"""List the files in the `date=` folders of a stream, oldest hour first, with few requests."""

from __future__ import annotations

import logging
from collections import deque
from datetime import timedelta
from heapq import merge
from itertools import chain
from typing import TYPE_CHECKING

from tap_braze_currents.bucket.layout import FileKey, shift, to_hour

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from concurrent.futures import Executor, Future
    from datetime import datetime

    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.planning.bookmark import Bookmark
    from tap_braze_currents.planning.limits import Limits

logger = logging.getLogger("tap-braze-currents")

_FILES_A_PART = 1000
"""A part is about one page of a listing: reading starts early, and few files are in memory."""
_HOURS_AHEAD = 24
"""Folders up to a day ahead are read: their dates may be ahead of this machine's clock."""


class HourListing:
    """The files in the hour folders of one stream that this run reads."""

    def __init__(
        self,
        bucket: Bucket,
        event_type: str,
        integrations: Sequence[str],
        bookmark: Bookmark,
        limits: Limits,
        now: datetime,
    ) -> None:
        """Create the listing. `parts` sends the requests.

        Args:
            bucket: The bucket that holds the files.
            event_type: The event type in Braze's spelling.
            integrations: The integration folders that hold this event type.
            bookmark: The bookmark of the event type.
            limits: The settings that choose the files.
            now: When the run began.
        """
        self._bucket = bucket
        self._event_type = event_type
        self._integrations = integrations
        self._bookmark = bookmark
        self._limits = limits
        self._latest_hour = to_hour(now)
        self._youngest = now - timedelta(seconds=limits.settle_seconds)
        # A copy: the bookmark removes files from its own set while the run reads them.
        self.pending_keys = frozenset(bookmark.pending())
        """Files that earlier runs could not read. They are looked up by key, not listed."""
        self.unsettled: list[FileKey] = []
        """Files listed so far that are younger than `settle_seconds`."""

    def parts(self) -> Iterator[list[RemoteFile]]:
        """List the files to read, oldest hour first.

        Yields:
            Files in the order of their hours. No part is empty.
        """
        if self._bookmark.is_new:
            self._warn_of_folders_without_hour()
        for hour in self._files_by_hour():
            # Pending files have their own list and are read first. Here they would be read twice.
            listed = (file for file in sorted(hour) if file.key not in self.pending_keys)
            if wanted := self.wanted(listed):
                yield wanted

    def _files_by_hour(self) -> Iterator[list[RemoteFile]]:
        """Scan each integration once, and merge the files by hour. An hour is never split.

        The files of one hour must stay together: the bookmark seals hours as the run gets to the
        next ones, and a second integration must not add files to an hour that was left.
        """
        limits = self._limits
        first = limits.start_hour if limits.sweep else self._first_open_hour()
        last = self._last_hour()
        known = () if limits.sweep else self._bookmark.paths_read(self._event_type)
        scans = (
            chain.from_iterable(self._bucket.scan(name, self._event_type, first, known))
            for name in self._integrations
        )
        files = merge(*scans, key=lambda file: file.key.hour)
        group: list[RemoteFile] = []
        for file in files:
            if file.key.hour > last:
                break
            if len(group) >= _FILES_A_PART and file.key.hour != group[-1].key.hour:
                yield group
                group = []
            group.append(file)
        if group:
            yield group

    def wanted(self, files: Iterable[RemoteFile]) -> list[RemoteFile]:
        """Return the files that this run reads, and collect the ones that are too young."""
        limits, bookmark = self._limits, self._bookmark
        start = limits.start_hour if limits.sweep else bookmark.start_hour
        last = self._last_hour()
        wanted = []
        for file in files:
            hour = file.key.hour
            if not (hour and start <= hour <= last and self._is_due(file)):
                continue
            if limits.settle_seconds and file.modified and file.modified > self._youngest:
                self.unsettled.append(file.key)
            else:
                wanted.append(file)
        return wanted

    def _is_due(self, file: RemoteFile) -> bool:
        if not self._bookmark.is_done(file.key):
            return True
        return self._limits.sweep and self._bookmark.is_missed(file.key, file.modified)

    def _warn_of_folders_without_hour(self) -> None:
        """Warn of files that no run will read. Only the first run does: it costs a request."""
        for integration in self._integrations:
            if names := self._bucket.not_hours(integration, self._event_type):
                logger.warning(
                    "%s and %d more below %s are not read: they are not in a folder of an hour, "
                    "such as date=2026-11-01-13.",
                    names[0],
                    len(names) - 1,
                    self._bucket.url,
                )

    def _first_open_hour(self) -> str:
        """Return the first hour that is not sealed.

        `start_date` counts only in the first run of a stream, which keeps it in the bookmark. If a
        later `start_date` counted, hours that are not read yet would be skipped.
        """
        sealed = self._bookmark.sealed_hour
        return max(sealed and shift(sealed, 1), self._bookmark.start_hour)

    def _last_hour(self) -> str:
        """Return the last hour to read."""
        last = shift(max(self._latest_hour, self._bookmark.newest_hour), _HOURS_AHEAD)
        end = self._limits.end_hour
        return min(last, shift(end, -1)) if end else last


class ListedFiles:
    """Iterate over listed files while a thread lists the next part."""

    def __init__(self, parts: Iterator[list[RemoteFile]], pool: Executor) -> None:
        """Create the iterator. `start` begins to list.

        Args:
            parts: The listing. Each part takes one request or a few.
            pool: The threads that list.
        """
        self._parts = parts
        self._pool = pool
        self._listed: deque[RemoteFile] = deque()
        self._count = 0
        self._is_complete = False
        self._ahead: Future[list[RemoteFile] | None] | None = None

    def start(self) -> ListedFiles:
        """Begin to list in the background, and return the iterator itself."""
        self._ahead = self._pool.submit(self._next_part)
        return self

    def _next_part(self) -> list[RemoteFile] | None:
        part = next(self._parts, None)
        self._count += len(part or ())
        self._is_complete = part is None
        return part

    def __iter__(self) -> Iterator[RemoteFile]:
        """Return the iterator itself."""
        return self

    def __next__(self) -> RemoteFile:
        """Return the next file.

        Raises:
            ConnectorError: The listing failed. After that the iterator is at its end.
        """
        while not self._listed:
            if self._ahead is None:
                raise StopIteration
            # Forget the future before its result is read: if the result is an error, the iterator
            # is at its end and does not wait for the same future again.
            ahead, self._ahead = self._ahead, None
            part = ahead.result()
            if part is None:
                raise StopIteration
            self._listed.extend(part)
            self.start()
        return self._listed.popleft()

    def peek(self) -> RemoteFile | None:
        """Return the next file without removing it, or None after the last file.

        Raises:
            ConnectorError: The listing failed.
        """
        file = next(self, None)
        if file is not None:
            self._listed.appendleft(file)
        return file

    def counted(self) -> tuple[int, bool]:
        """Return the number of files listed so far, and whether these are all. Sends no request."""
        return self._count, self._is_complete

    def left(self) -> tuple[int, bool]:
        """Return the number of listed files that are left, and whether there may be more.

        Raises:
            ConnectorError: The listing failed.
        """
        return len(self._listed), self._ahead is not None and self._ahead.result() is not None
