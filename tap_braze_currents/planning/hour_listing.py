"""Lists the files in the `date=` folders of a stream, oldest hour first, in few requests."""

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
"""A page of a listing: the first files are found soon, and few are held."""
_HOURS_AHEAD = 24
"""Folders may be dated a little ahead of this machine's clock."""


class HourListing:
    """The files of one stream's hours that this run has to read."""

    def __init__(
        self,
        bucket: Bucket,
        event_type: str,
        integrations: Sequence[str],
        bookmark: Bookmark,
        limits: Limits,
        now: datetime,
    ) -> None:
        """Prepare; `parts` makes the requests.

        Args:
            bucket: Where the files are.
            event_type: The stream's event type, in Braze's spelling.
            integrations: The integration folders that hold this event type.
            bookmark: What earlier runs have read.
            limits: Which files count.
            now: When the run began.
        """
        self._bucket = bucket
        self._event_type = event_type
        self._integrations = integrations
        self._bookmark = bookmark
        self._limits = limits
        self._latest_hour = to_hour(now)
        self._youngest = now - timedelta(seconds=limits.settle_seconds)
        # A copy: files leave the bookmark's own set while the run reads them.
        self.pending_keys = frozenset(bookmark.pending())
        """Files that earlier runs could not read. They are looked up one by one, not listed."""
        self.unsettled: list[FileKey] = []
        """Files found so far that are too young for `settle_seconds`."""

    def parts(self) -> Iterator[list[RemoteFile]]:
        """List the files to read, hour by hour.

        Yields:
            Files in the order of their hours; no part is empty.
        """
        if self._bookmark.is_new:
            self._warn_of_folders_without_hour()
        for hour in self._files_by_hour():
            # Pending files are read first, from their own list; here they would come twice.
            listed = (file for file in sorted(hour) if file.key not in self.pending_keys)
            if wanted := self.wanted(listed):
                yield wanted

    def _files_by_hour(self) -> Iterator[list[RemoteFile]]:
        """Scan each integration once and merge their files by hour; parts end with an hour."""
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
        """Keep the files that this run has to read, and note those that are too young."""
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
        """Warn of files that no run will find. Only a first run does: it lists all folders."""
        for integration in self._integrations:
            if names := self._bucket.not_hours(integration, self._event_type):
                logger.warning(
                    "%s and %d more below %s are not read: their folder is none of an hour, such "
                    "as date=2026-11-01-13.",
                    names[0],
                    len(names) - 1,
                    self._bucket.url,
                )

    def _first_open_hour(self) -> str:
        """Return the first hour that is not done.

        `start_date` counts only in a stream's first run: a later one would skip the hours that
        were still unread when somebody changed it.
        """
        sealed = self._bookmark.sealed_hour
        return max(sealed and shift(sealed, 1), self._bookmark.start_hour)

    def _last_hour(self) -> str:
        """Return the last hour to read."""
        last = shift(max(self._latest_hour, self._bookmark.newest_hour), _HOURS_AHEAD)
        end = self._limits.end_hour
        return min(last, shift(end, -1)) if end else last


class ListedFiles:
    """Iterates over listed files while a thread lists the next part."""

    def __init__(self, parts: Iterator[list[RemoteFile]], pool: Executor) -> None:
        """Prepare; `start` begins to list.

        Args:
            parts: The listing; each part is one or a few requests.
            pool: Where the listing runs.
        """
        self._parts = parts
        self._pool = pool
        self._listed: deque[RemoteFile] = deque()
        self._count = 0
        self._is_complete = False
        self._ahead: Future[list[RemoteFile] | None] | None = None

    def start(self) -> ListedFiles:
        """Begin to list in the background."""
        self._ahead = self._pool.submit(self._next_part)
        return self

    def _next_part(self) -> list[RemoteFile] | None:
        part = next(self._parts, None)
        self._count += len(part or ())
        self._is_complete = part is None
        return part

    def __iter__(self) -> Iterator[RemoteFile]:
        """Iterate over what is left."""
        return self

    def __next__(self) -> RemoteFile:
        """Return the next file.

        Raises:
            ConnectorError: The listing failed. The iterator has ended then.
        """
        while not self._listed:
            if self._ahead is None:
                raise StopIteration
            ahead, self._ahead = self._ahead, None
            part = ahead.result()
            if part is None:
                raise StopIteration
            self._listed.extend(part)
            self.start()
        return self._listed.popleft()

    def peek(self) -> RemoteFile | None:
        """Return the next file without taking it; None after the last.

        Raises:
            ConnectorError: The listing failed.
        """
        file = next(self, None)
        if file is not None:
            self._listed.appendleft(file)
        return file

    def counted(self) -> tuple[int, bool]:
        """Count the files listed so far, and say whether these are all. Asks for nothing."""
        return self._count, self._is_complete

    def left(self) -> tuple[int, bool]:
        """Count the listed files that are left, and say whether there may be more.

        Raises:
            ConnectorError: The listing failed.
        """
        return len(self._listed), self._ahead is not None and self._ahead.result() is not None
