"""Which files one run reads of each stream: the plan, made once and then fixed."""

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
    """Too young for `settle_seconds`."""
    beyond_limit: int = 0
    """Files beyond `max_files_per_run`, as far as they were listed."""
    more: bool = False
    """More may be waiting than was listed."""

    def __bool__(self) -> bool:
        """Return whether any file waits."""
        return bool(self.unsettled or self.beyond_limit or self.more)


@dataclass(frozen=True)
class _Share:
    """What one run reads of a listing, and what it leaves there."""

    files: ListedFiles | list[RemoteFile]
    beyond_limit: int = 0
    more: bool = False

    def counted(self) -> tuple[int, bool]:
        """Count the files listed so far, and say whether these are all."""
        if isinstance(self.files, list):
            return len(self.files), True
        return self.files.counted()


@dataclass(frozen=True)
class FilesToRead:
    """What one run reads of each stream. `plan_files` makes it."""

    now: datetime
    """When the run began."""
    limits: Limits
    """Which files count."""
    by_path: FilesByPath
    """The files that lie in no hour folder."""
    source: str
    """Where the bucket is, for people."""
    in_folders: AbstractSet[str]
    """Event types that have a folder in the bucket, selected or not."""
    errors: Sequence[ConnectorError]
    """What could not be listed while the plan was made."""
    _hours: Mapping[str, HourListing]
    _pending: Mapping[str, Sequence[RemoteFile]]
    _shares: Mapping[str, _Share] = field(repr=False)

    @property
    def latest_hour(self) -> str:
        """The hour in which the run began."""
        return to_hour(self.now)

    def files(self, event_type: str) -> Iterator[RemoteFile]:
        """Iterate once over the files of a type that this run reads.

        Files that earlier runs could not read come first, then the others, oldest hour first.
        Without `max_files_per_run` the listing goes on in the background meanwhile.

        Raises:
            ConnectorError: The listing failed.
        """
        return chain(self._pending[event_type], self._shares[event_type].files)

    def pending_keys(self, event_type: str) -> AbstractSet[FileKey]:
        """Return the files that earlier runs could not read."""
        return self._hours[event_type].pending_keys

    def counted(self) -> tuple[int, bool]:
        """Count the files to read, and say whether all of them are listed yet."""
        pending = sum(map(len, self._pending.values()))
        counts = [share.counted() for share in self._shares.values()]
        return pending + sum(count for count, _ in counts), all(known for _, known in counts)

    def waiting(self, event_type: str) -> Waiting:
        """Return what is left for later runs, as far as the listing has got."""
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
    """Begin to list all streams side by side.

    Args:
        bucket: Where the files are.
        folders: Its top folders.
        limits: Which files count.
        bookmarks: Event type → what earlier runs have read; only these types are listed.
        now: When the run began.
        pool: Threads for listing.

    Returns:
        The plan. Unless a limit asks for it, most of the listing is yet to be done.

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
    # While the threads list, the files that earlier runs left are looked up one by one.
    pending = _look_up_pending(bucket, bookmarks, hours, pool)
    errors = list(by_path.errors)
    # A sweep has no limit: it would begin with the oldest files again in each run.
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
    """Take the oldest files of all streams together, as many as one run may read.

    Pending files are not counted: a few that stay broken would use up the limit of each run.

    Args:
        listings: Event type → its files, oldest hour first.
        max_files: The limit.
        errors: Listings that fail are added here; their streams get what was listed before.
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
        with suppress(ConnectorError):  # it concerns files beyond the limit: a later run reports it
            beyond_limit, more = listing.left()
        shares[name] = _Share(taken[name], beyond_limit, more)
    return shares


def _look_up_pending(
    bucket: Bucket,
    bookmarks: Mapping[str, Bookmark],
    hours: Mapping[str, HourListing],
    pool: Executor,
) -> dict[str, list[RemoteFile]]:
    """Find the files that earlier runs could not read, and drop those that no longer exist."""
    wanted = [(name, key) for name, stream in hours.items() for key in sorted(stream.pending_keys)]
    found: dict[str, list[RemoteFile]] = {name: [] for name in hours}
    files = pool.map(lambda one: bucket.file(one[1], one[0]), wanted)
    for (name, key), file in zip(wanted, files, strict=True):
        if file:
            found[name].append(file)
        else:
            bookmarks[name].mark_gone(key)
            logger.warning(
                "%s is no longer there, and was not read by an earlier run: its events are "
                "not emitted.",
                key.name,
            )
    return {name: hours[name].wanted(files) for name, files in found.items()}
