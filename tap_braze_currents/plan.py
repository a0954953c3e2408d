"""Which files a run reads: listing, hours, bookmark, settling and the bound on a run."""

from __future__ import annotations

import heapq
from collections import deque
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from braze_mixpanel.errors import SettingsError
from tap_braze_currents.by_path import FilesByPath
from tap_braze_currents.layout import (
    FileKey,
    covering_prefixes,
    is_hour,
    shift,
    to_datetime,
    to_hour,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Executor, Future

    from tap_braze_currents.bookmark import Bookmark
    from tap_braze_currents.bucket import Bucket, RemoteFile

_PREFIXES_AT_A_TIME = 7
_HOURS_AHEAD = 24
"""Folders may be dated a little ahead of this machine's clock."""


@dataclass(frozen=True)
class Limits:
    """The settings that say which files count."""

    start_hour: str = ""
    end_hour: str = ""
    """First hour not to read."""
    lookback_hours: int = 48
    settle_seconds: int = 60
    max_files: int | None = None
    sweep: bool = False


@dataclass
class Waiting:
    """The files of a stream that this run leaves for later runs."""

    unsettled: list[FileKey] = field(default_factory=list)
    beyond_limit: int = 0
    more: bool = False
    """More may be waiting than was listed."""

    def __bool__(self) -> bool:
        """Tell whether there is any."""
        return bool(self.unsettled or self.beyond_limit or self.more)


class FilesToRead:
    """The files of one stream in order; the next part of the listing is fetched ahead."""

    def __init__(self, parts: Iterator[list[RemoteFile]], pool: Executor) -> None:
        """Begin to list."""
        self._parts = parts
        self._pool = pool
        self._listed: deque[RemoteFile] = deque()
        self._ahead: Future[list[RemoteFile] | None] | None = self._fetch()

    def _fetch(self) -> Future[list[RemoteFile] | None]:
        return self._pool.submit(next, self._parts, None)

    def __iter__(self) -> Iterator[RemoteFile]:
        """Iterate over what is left."""
        return self

    def __next__(self) -> RemoteFile:
        """Return the next file.

        Raises:
            ConnectorError: The listing failed.
        """
        while not self._listed:
            if self._ahead is None:
                raise StopIteration
            ahead, self._ahead = self._ahead, None
            part = ahead.result()
            if part is None:
                raise StopIteration
            self._listed.extend(part)
            self._ahead = self._fetch()
        return self._listed.popleft()

    def peek(self) -> RemoteFile | None:
        """Return the next file without taking it; None after the last."""
        file = next(self, None)
        if file is not None:
            self._listed.appendleft(file)
        return file

    def left(self) -> tuple[int, bool]:
        """Tell how many listed files are left, and whether there may be more."""
        more = self._ahead is not None and bool(self._ahead.result())
        return len(self._listed), more


class Plan:
    """What one run reads of each stream."""

    def __init__(
        self,
        bucket: Bucket,
        limits: Limits,
        bookmarks: dict[str, Bookmark],
        now: datetime,
        pool: Executor,
    ) -> None:
        """Look at the uppermost folders and begin to list all streams at once.

        Args:
            bucket: Where the files are.
            limits: Which files count.
            bookmarks: Event type → what is done; only these types are listed.
            now: The present time.
            pool: Threads for listing.

        Raises:
            ConnectorError: The bucket cannot be listed.
        """
        self._bucket = bucket
        self._limits = limits
        self._bookmarks = bookmarks
        self._now = now
        self.latest_hour = to_hour(now)
        self.waiting = {event_type: Waiting() for event_type in bookmarks}
        self.folders = bucket.folders()
        self.by_path = FilesByPath(bucket, bookmarks, now, limits.settle_seconds)
        if self.folders.others:
            self.by_path.look_into(self.folders.others, pool)
        if not self.by_path.total and not any(self.folders.integrations.values()):
            raise SettingsError(
                f"{bucket.url} holds no Currents files. Set storage_url to the folder that holds "
                "the dataexport.….integration.… folders, or to any folder of .avro or .json files."
            )
        self._listings = {
            event_type: FilesToRead(self._parts(event_type), pool) for event_type in bookmarks
        }
        self._taken: dict[str, list[RemoteFile]] | None = None

    def files(self, event_type: str) -> Iterator[RemoteFile]:
        """Return the files of one type that this run reads, oldest hour first.

        Raises:
            ConnectorError: The listing failed.
        """
        if self._taken is not None:
            return iter(self._taken[event_type])
        return self._listings[event_type]

    def apply_limit(self) -> None:
        """Take the oldest files of all streams together, as many as one run may read.

        Raises:
            ConnectorError: A listing failed.
        """
        if self._limits.max_files is None:
            return
        listings = dict(self._listings)
        taken: dict[str, list[RemoteFile]] = {name: [] for name in listings}
        heads = [(head.key, name) for name, files in listings.items() if (head := files.peek())]
        heapq.heapify(heads)
        for _ in range(self._limits.max_files):
            if not heads:
                break
            _, name = heads[0]
            taken[name].append(next(listings[name]))
            head = listings[name].peek()
            if head:
                heapq.heapreplace(heads, (head.key, name))
            else:
                heapq.heappop(heads)
        for name, files in listings.items():
            self.waiting[name].beyond_limit, self.waiting[name].more = files.left()
        self._taken = taken

    def _parts(self, event_type: str) -> Iterator[list[RemoteFile]]:
        """List the files to be read, part by part, in the order of their hours."""
        bookmark = self._bookmarks[event_type]
        pending = []
        for key in bookmark.pending():
            if file := self._bucket.file(key, event_type):
                pending.append(file)
            else:
                bookmark.mark_gone(key)
        yield self._wanted(event_type, pending)
        yield self.by_path.files.get(event_type, [])
        prefixes = self._prefixes(event_type, bookmark)
        integrations = self._integrations(event_type)
        for index in range(0, len(prefixes), _PREFIXES_AT_A_TIME):
            found: list[RemoteFile] = []
            for prefix in prefixes[index : index + _PREFIXES_AT_A_TIME]:
                for integration in integrations:
                    found += self._bucket.files_of_hours(integration, event_type, prefix)
            yield self._wanted(event_type, sorted(found))

    def _integrations(self, event_type: str) -> list[str]:
        return [name for name, types in self.folders.integrations.items() if event_type in types]

    def _prefixes(self, event_type: str, bookmark: Bookmark) -> list[str]:
        """Say which `date=` prefixes to list: few, whatever the history."""
        limits = self._limits
        last = shift(max(self.latest_hour, bookmark.newest_hour), _HOURS_AHEAD)
        if limits.end_hour:
            last = min(last, shift(limits.end_hour, -1))
        first = max(bookmark.sealed_hour and shift(bookmark.sealed_hour, 1), limits.start_hour)
        if first and not limits.sweep:
            return covering_prefixes(_day(first), _day(last))
        # No hour to begin with: the folders say which days there are.
        hours = {
            hour
            for integration in self._integrations(event_type)
            for hour in self._bucket.hours(integration, event_type)
        }
        return sorted({hour[:10] for hour in hours if is_hour(hour) and hour <= last})

    def _wanted(self, event_type: str, files: list[RemoteFile]) -> list[RemoteFile]:
        """Keep what is to be read in this run."""
        bookmark = self._bookmarks[event_type]
        limits = self._limits
        last = shift(max(self.latest_hour, bookmark.newest_hour), _HOURS_AHEAD)
        youngest = self._now - timedelta(seconds=limits.settle_seconds)
        wanted = []
        for file in files:
            hour = file.key.hour
            if hour < limits.start_hour or hour > last:
                continue
            if (limits.end_hour and hour >= limits.end_hour) or not self._is_due(file, bookmark):
                continue
            if limits.settle_seconds and file.modified and file.modified > youngest:
                self.waiting[event_type].unsettled.append(file.key)
                continue
            wanted.append(file)
        return wanted

    def is_late(self, event_type: str, file: RemoteFile) -> bool:
        """Tell whether a later sweep would take the file for a missed one."""
        bookmark = self._bookmarks[event_type]
        return bookmark.may_be_late(file.key, file.modified, self._limits.lookback_hours)

    def _is_due(self, file: RemoteFile, bookmark: Bookmark) -> bool:
        if not bookmark.is_done(file.key):
            return True
        return self._limits.sweep and bookmark.is_missed(
            file.key, file.modified, self._limits.lookback_hours
        )


def _day(hour: str) -> date:
    return to_datetime(hour).date()
