"""Which files a run reads: listing, hours, bookmark, settling and the bound on a run."""

from __future__ import annotations

import heapq
import logging
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import chain
from typing import TYPE_CHECKING

from braze_mixpanel.errors import ConnectorError, SettingsError
from tap_braze_currents.bucket.layout import (
    FileKey,
    covering_prefixes,
    is_hour,
    shift,
    to_datetime,
    to_hour,
)
from tap_braze_currents.planning.other_layout import FilesByPath

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Executor, Future

    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.planning.bookmark import Bookmark

logger = logging.getLogger("tap-braze-currents")

_PREFIXES_AT_A_TIME = 7
_HOURS_LISTED_WHOLE = 35 * 24
"""A longer time is listed day by day, so that the first files are soon there and few are held."""
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
        return len(self._listed), self._ahead is not None and self._ahead.result() is not None


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
        self.errors: list[ConnectorError] = []
        """What could not be listed."""
        self.folders = bucket.folders()
        self.by_path = FilesByPath(bucket, bookmarks, now, limits.settle_seconds)
        if self.folders.others or self.folders.files:
            self.by_path.look_into(self.folders.others, self.folders.files, pool)
        if not self.by_path.total and not any(self.folders.integrations.values()):
            raise SettingsError(
                f"{bucket.url} holds no Currents files. Set storage_url to the folder that holds "
                "the dataexport.….integration.… folders, or to any folder of .avro or .json files."
            )
        self._pending_keys = {name: set(known.pending()) for name, known in bookmarks.items()}
        self._listings = {
            event_type: FilesToRead(self._parts(event_type), pool) for event_type in bookmarks
        }
        self._pending = self._look_up_pending(pool)
        self._taken: dict[str, list[RemoteFile]] | None = None

    def files(self, event_type: str) -> Iterator[RemoteFile]:
        """Return the files of one type that this run reads, oldest hour first.

        Raises:
            ConnectorError: The listing failed.
        """
        listed = self._listings[event_type] if self._taken is None else self._taken[event_type]
        return chain(self._pending[event_type], listed)

    def pending_keys(self, event_type: str) -> AbstractSet[FileKey]:
        """Return the files that earlier runs left; they come before the listed ones."""
        return self._pending_keys[event_type]

    def apply_limit(self) -> None:
        """Take the oldest files of all streams together, as many as one run may read.

        Files that an earlier run could not read come besides: else a few that stay broken would
        use the bound up in each run. A sweep has no bound: it begins with the oldest each time.
        """
        if self._limits.max_files is None or self._limits.sweep:
            return
        listings = dict(self._listings)
        taken: dict[str, list[RemoteFile]] = {name: [] for name in listings}
        heads = [(head.key, name) for name in listings if (head := self._peek(name))]
        heapq.heapify(heads)
        for _ in range(self._limits.max_files):
            if not heads:
                break
            _, name = heads[0]
            taken[name].append(next(listings[name]))
            head = self._peek(name)
            if head:
                heapq.heapreplace(heads, (head.key, name))
            else:
                heapq.heappop(heads)
        for name, files in listings.items():
            with suppress(ConnectorError):  # beyond the bound: a later run tells it
                self.waiting[name].beyond_limit, self.waiting[name].more = files.left()
        self._taken = taken

    def _peek(self, event_type: str) -> RemoteFile | None:
        try:
            return self._listings[event_type].peek()
        except ConnectorError as error:
            self.errors.append(error)
            return None

    def _look_up_pending(self, pool: Executor) -> dict[str, list[RemoteFile]]:
        """Look whether the files are still there that earlier runs left unread."""
        wanted = [(name, key) for name, keys in self._pending_keys.items() for key in sorted(keys)]
        found: dict[str, list[RemoteFile]] = {name: [] for name in self._pending_keys}
        files = pool.map(lambda one: self._bucket.file(one[1], one[0]), wanted)
        for (name, key), file in zip(wanted, files, strict=True):
            if file:
                found[name].append(file)
            else:
                self._bookmarks[name].mark_gone(key)
                logger.warning(
                    "%s is no longer there, and was not read by an earlier run: its events are "
                    "not emitted.",
                    key.name,
                )
        return {name: self._wanted(name, some) for name, some in found.items()}

    def _parts(self, event_type: str) -> Iterator[list[RemoteFile]]:
        """List the files to be read, part by part, in the order of their hours."""
        if by_path := self.by_path.files.get(event_type):
            yield by_path
        bookmark = self._bookmarks[event_type]
        integrations = self._integrations(event_type)
        if bookmark.is_new:
            self._tell_what_is_no_hour(event_type)
        prefixes = self._prefixes(event_type, bookmark)
        for index in range(0, len(prefixes), _PREFIXES_AT_A_TIME):
            found: list[RemoteFile] = []
            for prefix in prefixes[index : index + _PREFIXES_AT_A_TIME]:
                for integration in integrations:
                    found += self._bucket.files_of_hours(integration, event_type, prefix)
            pending = self._pending_keys[event_type]
            wanted = [file for file in sorted(found) if file.key not in pending]
            if wanted := self._wanted(event_type, wanted):
                yield wanted

    def _tell_what_is_no_hour(self, event_type: str) -> None:
        """Warn of files that no run will find; once, for it takes listing all hours."""
        for integration in self._integrations(event_type):
            if names := self._bucket.not_hours(integration, event_type):
                logger.warning(
                    "%s and %d more below %s are not read: their folder is none of an hour, such "
                    "as date=2026-11-01-13.",
                    names[0],
                    len(names) - 1,
                    self._bucket.url,
                )

    def _integrations(self, event_type: str) -> list[str]:
        return [name for name, types in self.folders.integrations.items() if event_type in types]

    def _prefixes(self, event_type: str, bookmark: Bookmark) -> list[str]:
        """Say which `date=` prefixes to list: few, whatever the history."""
        limits = self._limits
        last = self._last_hour(bookmark)
        first = limits.start_hour if limits.sweep else _first_hour(bookmark)
        if first and not limits.sweep and last <= shift(first, _HOURS_LISTED_WHOLE):
            return covering_prefixes(_day(first), _day(last))
        # No hour to begin with, or one long ago: the folders say which days there are.
        hours = {
            hour
            for integration in self._integrations(event_type)
            for hour in self._bucket.hours(integration, event_type)
        }
        return sorted(
            {hour[: len("2026-11-01")] for hour in hours if is_hour(hour) and first <= hour <= last}
        )

    def _last_hour(self, bookmark: Bookmark) -> str:
        """Return the last hour to read."""
        last = shift(max(self.latest_hour, bookmark.newest_hour), _HOURS_AHEAD)
        end = self._limits.end_hour
        return min(last, shift(end, -1)) if end else last

    def _wanted(self, event_type: str, files: list[RemoteFile]) -> list[RemoteFile]:
        """Keep what is to be read in this run."""
        bookmark = self._bookmarks[event_type]
        limits = self._limits
        last = self._last_hour(bookmark)
        start = limits.start_hour if limits.sweep else bookmark.start_hour
        youngest = self._now - timedelta(seconds=limits.settle_seconds)
        wanted = []
        for file in files:
            hour = file.key.hour
            in_range = hour and start <= hour <= last
            if not in_range or not self._is_due(file, bookmark):
                continue
            if limits.settle_seconds and file.modified and file.modified > youngest:
                self.waiting[event_type].unsettled.append(file.key)
                continue
            wanted.append(file)
        return wanted

    def _is_due(self, file: RemoteFile, bookmark: Bookmark) -> bool:
        if not bookmark.is_done(file.key):
            return True
        return self._limits.sweep and bookmark.is_missed(file.key, file.modified)


def _first_hour(bookmark: Bookmark) -> str:
    """Return the first hour that is not done; `start_date` counts for a stream's first run only.

    Else a later one would leave the hours out that were not read when it was set.
    """
    return max(bookmark.sealed_hour and shift(bookmark.sealed_hour, 1), bookmark.start_hour)


def _day(hour: str) -> date:
    return to_datetime(hour).date()
