"""Plan which files of each stream a run reads. The plan is made once and does not change."""

from __future__ import annotations

import heapq
import logging
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING

from braze_mixpanel.errors import ConnectorError, SettingsError
from tap_braze_currents.bucket.layout import to_hour
from tap_braze_currents.planning.files_by_path import FilesByPath
from tap_braze_currents.planning.hour_listing import HourListing, ListedFiles

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet
    from concurrent.futures import Executor
    from datetime import datetime

    from tap_braze_currents.bucket.layout import FileKey
    from tap_braze_currents.bucket.store import Bucket, Folders, RemoteFile
    from tap_braze_currents.planning.bookmark import Bookmark
    from tap_braze_currents.planning.limits import Limits

logger = logging.getLogger("tap-braze-currents")


@dataclass(frozen=True)
class Waiting:
    """The files of a stream that this run leaves for later runs."""

    unsettled: Sequence[FileKey] = ()
    """Files younger than `settle_seconds`."""
    beyond_limit: int = 0
    """The number of listed files beyond `max_files_per_run`."""
    more: bool = False
    """Whether more files may wait that were not listed."""

    def __bool__(self) -> bool:
        """Return whether any file waits."""
        return bool(self.unsettled or self.beyond_limit or self.more)


@dataclass(frozen=True)
class _Share:
    """The files of one listing that a run reads, and how many it leaves for later runs."""

    files: ListedFiles | list[RemoteFile]
    beyond_limit: int = 0
    more: bool = False

    def counted(self) -> tuple[int, bool]:
        """Return the number of files listed so far, and whether the listing is complete."""
        if isinstance(self.files, list):
            return len(self.files), True
        return self.files.counted()


@dataclass(frozen=True)
class FilesToRead:
    """The files that one run reads of each stream. `plan_files` creates it."""

    now: datetime
    """When the run began."""
    limits: Limits
    """The settings that choose the files."""
    by_path: FilesByPath
    """The files that lie in no hour folder."""
    source: str
    """The address of the bucket, for messages."""
    in_folders: AbstractSet[str]
    """Event types that have a folder in the bucket, selected or not."""
    errors: Sequence[ConnectorError]
    """The folders that could not be listed while the plan was made."""
    _hours: Mapping[str, HourListing]
    _pending: Mapping[str, Sequence[RemoteFile]]
    _shares: Mapping[str, _Share] = field(repr=False)

    @property
    def latest_hour(self) -> str:
        """The hour in which the run began."""
        return to_hour(self.now)

    def files(self, event_type: str) -> Iterator[RemoteFile]:
        """Return an iterator over the files of an event type. It can be used once.

        Files that earlier runs could not read come first, then the others, oldest hour first.
        Without `max_files_per_run`, the listing continues in the background.

        Raises:
            ConnectorError: The listing failed.
        """
        return chain(self._pending[event_type], self._shares[event_type].files)

    def pending_keys(self, event_type: str) -> AbstractSet[FileKey]:
        """Return the files that earlier runs could not read."""
        return self._hours[event_type].pending_keys

    def counted(self) -> tuple[int, bool]:
        """Return the number of files to read so far, and whether all files are listed."""
        pending = sum(map(len, self._pending.values()))
        counts = [share.counted() for share in self._shares.values()]
        return pending + sum(count for count, _ in counts), all(known for _, known in counts)

    def waiting(self, event_type: str) -> Waiting:
        """Return the files left for later runs, as far as they are listed."""
        share = self._shares[event_type]
        unsettled = tuple(self._hours[event_type].unsettled)
        return Waiting(unsettled, share.beyond_limit, share.more)


def plan_files(
    bucket: Bucket,
    folders: Folders,
    limits: Limits,
    bookmarks: Mapping[str, Bookmark],
    now: datetime,
    pool: Executor,
) -> FilesToRead:
    """Plan a run, and start to list all streams in parallel.

    Args:
        bucket: The bucket that holds the files.
        folders: The top folders of the bucket.
        limits: The settings that choose the files.
        bookmarks: Event type → its bookmark. Only these event types are listed.
        now: When the run began.
        pool: The threads that list.

    Returns:
        The plan. Without `max_files_per_run`, most of the listing is still to be done.

    Raises:
        ConnectorError: The bucket cannot be listed.
    """
    by_path = FilesByPath(bucket, bookmarks, now, limits.settle_seconds)
    if folders.others or folders.files:
        by_path.look_into(folders.others, folders.files, pool)
    if not by_path.total and not any(folders.integrations.values()):
        raise SettingsError(
            f"{bucket.url} holds no Currents files. Set storage_url to the folder that holds "
            "the dataexport.….integration.… folders, or to any folder of .avro or .json files."
        )
    hours = {}
    listings = {}
    for event_type, bookmark in bookmarks.items():
        integrations = [name for name, types in folders.integrations.items() if event_type in types]
        hours[event_type] = HourListing(bucket, event_type, integrations, bookmark, limits, now)
        own = by_path.files.get(event_type)
        parts = chain([own] if own else [], hours[event_type].parts())
        listings[event_type] = ListedFiles(parts, pool).start()
    # The listings are running in threads now. Meanwhile the pending files are looked up.
    pending = _look_up_pending(bucket, bookmarks, hours, pool)
    errors = list(by_path.errors)
    # `max_files_per_run` does not apply to a sweep: every sweep starts with the oldest files, so
    # with a limit it would never get further.
    shares = (
        {event_type: _Share(listing) for event_type, listing in listings.items()}
        if limits.max_files is None or limits.sweep
        else _oldest(listings, limits.max_files, errors)
    )
    return FilesToRead(
        now,
        limits,
        by_path,
        bucket.address,
        folders.event_types(),
        errors,
        hours,
        pending,
        shares,
    )


def _oldest(
    listings: Mapping[str, ListedFiles], max_files: int, errors: list[ConnectorError]
) -> dict[str, _Share]:
    """Return the oldest files of all streams together, at most `max_files`.

    Pending files do not count: a few files that stay broken would use up the limit in every run.

    Args:
        listings: Event type → its files, oldest hour first.
        max_files: The setting `max_files_per_run`.
        errors: Errors of listings are appended here. Their streams keep the files listed before.
    """

    def head(event_type: str) -> RemoteFile | None:
        try:
            return listings[event_type].peek()
        except ConnectorError as error:
            errors.append(error)
            return None

    taken: dict[str, list[RemoteFile]] = {name: [] for name in listings}
    # A merge of sorted lists: the heap holds the oldest untaken file of each stream.
    heads = [(first.key, name) for name in listings if (first := head(name))]
    heapq.heapify(heads)
    for _ in range(max_files):
        if not heads:
            break
        _, name = heads[0]
        taken[name].append(next(listings[name]))
        if following := head(name):
            heapq.heapreplace(heads, (following.key, name))
        else:
            heapq.heappop(heads)
    shares = {}
    for name, listing in listings.items():
        beyond_limit, more = 0, False
        with suppress(ConnectorError):  # only files beyond the limit: a later run reports the error
            beyond_limit, more = listing.left()
        shares[name] = _Share(taken[name], beyond_limit, more)
    return shares


def _look_up_pending(
    bucket: Bucket,
    bookmarks: Mapping[str, Bookmark],
    hours: Mapping[str, HourListing],
    pool: Executor,
) -> dict[str, list[RemoteFile]]:
    """Look up the files that earlier runs could not read, and drop the ones that are deleted."""
    wanted = [(name, key) for name, stream in hours.items() for key in sorted(stream.pending_keys)]
    found: dict[str, list[RemoteFile]] = {name: [] for name in hours}
    files = pool.map(lambda one: bucket.file(one[1], one[0]), wanted)
    for (name, key), file in zip(wanted, files, strict=True):
        if file:
            found[name].append(file)
        else:
            bookmarks[name].mark_gone(key)
            logger.warning(
                "%s was deleted before any run could read it: its events are not emitted.",
                key.name,
            )
    return {name: hours[name].wanted(files) for name, files in found.items()}
