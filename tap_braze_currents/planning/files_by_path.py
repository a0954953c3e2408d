"""Find the files that do not follow Braze's layout, and read their event types from their content.

Planning normally needs only paths. But these paths contain no event type, so this module opens the
files. It uses `look_into` of the catalog, which discovery uses too: event types must be read from
files in one way only.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING

from braze_mixpanel.errors import ConnectorError, InputError
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.catalog.discovery import look_into
from tap_braze_currents.formats.errors import BrokenFileError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import datetime

    from tap_braze_currents.bucket.layout import FileKey
    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.planning.bookmark import Bookmark

logger = logging.getLogger("tap-braze-currents")

_NAMES_SHOWN = 3


class FilesByPath:
    """The files outside of hour folders, by event type."""

    def __init__(
        self,
        bucket: Bucket,
        bookmarks: Mapping[str, Bookmark],
        now: datetime,
        settle_seconds: int,
    ) -> None:
        """Create the index. `look_into` sends the requests.

        Args:
            bucket: The bucket that holds the files.
            bookmarks: Selected event type → its bookmark.
            now: When the run began.
            settle_seconds: Younger files wait for the next run.
        """
        self._bucket = bucket
        self._bookmarks = bookmarks
        self._spelled = {stream_id(name): name for name in reversed(list(bookmarks))}
        """Stream id → the first spelling of its event type. All files count for this spelling."""
        self._youngest = now - timedelta(seconds=settle_seconds) if settle_seconds else None
        self.files: dict[str, list[RemoteFile]] = defaultdict(list)
        """Event type → its unread files, by path."""
        self.event_types: set[str] = set()
        """Event types that these files hold, as far as a run has opened them."""
        self._shared: dict[str, list[str]] = {}
        self.total = 0
        """Number of files outside all hour folders, read or not."""
        self.unsettled = 0
        """Number of these files that are too young."""
        self.errors: list[ConnectorError] = []
        """Why some of them could not be opened."""

    def look_into(
        self, folders: Iterable[str], files: Iterable[RemoteFile], pool: Executor
    ) -> None:
        """List all files below the folders, and open the files that no stream has read.

        Args:
            folders: Paths of folders below the prefix.
            files: More files, which are already listed.
            pool: The threads that list and read.

        Raises:
            ConnectorError: A folder cannot be listed.
        """
        found = list(files)
        for listed in pool.map(self._bucket.files_below, folders):
            found += listed
        self.total = len(found)
        if found:
            names = sorted({file.key.name.partition("/")[0] for file in found})
            shown = ", ".join(names[:_NAMES_SHOWN]) + (", …" if len(names) > _NAMES_SHOWN else "")
            logger.warning(
                "%s holds files outside of Braze's folder layout (%s). Every run lists all of "
                "them, and the state keeps every path.",
                self._bucket.url,
                shown,
            )
        # The event type of such a file is only in its content. This is the only place where
        # planning reads files. The run reads them again, completely and in order.
        unread = sorted(file for file in found if self._is_to_be_read(file))
        # For Avro the first bytes are enough. JSON may mix event types, so it is read completely.
        for file, event_types in zip(unread, pool.map(self._event_types, unread), strict=True):
            if len(event_types) > 1:
                self._shared[file.key.name] = event_types
            self._plan(file, event_types)

    def _plan(self, file: RemoteFile, event_types: Sequence[str]) -> None:
        """Add a file to each selected stream that has events in it."""
        self.event_types.update(event_types)
        selected = [name for name in event_types if name in self._bookmarks]
        for name in selected:
            if not self._bookmarks[name].is_done(file.key):
                self.files[name].append(file)
        if (
            event_types
            and self._bookmarks
            and not any(file in self.files[name] for name in selected)
        ):
            # No selected stream needs this file: either no stream with events in it is selected, or
            # the streams have read it but the one that kept its event types is not selected any
            # more. One stream keeps the types, so that the next run does not open the file again.
            name = next(iter(selected or self._bookmarks))
            self._bookmarks[name].mark_shared(file.key, event_types)

    def _as_selected(self, event_type: str) -> str:
        """Return an event type in the spelling of the selected stream."""
        return self._spelled.get(stream_id(event_type), event_type)

    def types_to_remember(self, key: FileKey) -> list[str] | None:
        """Return the event types that a stream keeps after it has read a file.

        Returns:
            All types of the file for the first stream that asks, an empty list for the others: if
            each of n streams kept n types, the size of STATE would grow with the square of n. None
            for a file of one type.
        """
        types = self._shared.get(key.name)
        if types:
            self._shared[key.name] = []
        return types

    def _is_to_be_read(self, file: RemoteFile) -> bool:
        if self._youngest and file.modified and file.modified > self._youngest:
            self.unsettled += 1
            return False
        bookmarks = self._bookmarks.values()
        known = [types for one in bookmarks if (types := one.shared_types(file.key)) is not None]
        self.event_types.update(chain.from_iterable(known))
        if any(known):
            # The event types of the file are known: it is read if a selected stream lacks it.
            return any(
                not self._bookmarks[name].is_done(file.key)
                for name in map(self._as_selected, chain.from_iterable(known))
                if name in self._bookmarks
            )
        # `known` holds only empty lists: the file has several types, but the stream that kept them
        # is not selected. Its types must be read again to find the streams that lack it. If `known`
        # is empty, the file has one type, and is done when one stream has read it.
        return bool(known) or not any(one.is_done(file.key) for one in bookmarks)

    def _event_types(self, file: RemoteFile) -> list[str]:
        """Return the event types in a file. If it cannot be read, keep the error and return []."""
        try:
            return sorted(set(map(self._as_selected, look_into(self._bucket, file))))
        except FileNotFoundError:
            return []
        except BrokenFileError as error:
            self.errors.append(InputError(f"{file.path}: {error}."))
        except ConnectorError as error:
            self.errors.append(error)
        return []
