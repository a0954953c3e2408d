"""Finds the files in another layout than Braze's, and looks inside for their event types.

Here the way of the data turns back. Planning goes by paths, but these paths name no event type. So
the planner asks the catalog, which lies behind it on the way, to look into each file: discovery
reads event types in the same manner, and there must be only one way to do so.
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
    """The files of a layout without hours, by the event types in them."""

    def __init__(
        self,
        bucket: Bucket,
        bookmarks: Mapping[str, Bookmark],
        now: datetime,
        settle_seconds: int,
    ) -> None:
        """Prepare; `look_into` makes the requests.

        Args:
            bucket: Where the files are.
            bookmarks: Selected event type → what earlier runs have read.
            now: When the run began.
            settle_seconds: Younger files are left for the next run.
        """
        self._bucket = bucket
        self._bookmarks = bookmarks
        self._spelled = {stream_id(name): name for name in reversed(list(bookmarks))}
        """Stream → the first spelling of its event type; files by path count as of that one."""
        self._youngest = now - timedelta(seconds=settle_seconds) if settle_seconds else None
        self.files: dict[str, list[RemoteFile]] = defaultdict(list)
        """Event type → its unread files, by path."""
        self.event_types: set[str] = set()
        """Event types that these files hold, as far as a run has opened them."""
        self._shared: dict[str, list[str]] = {}
        self.total = 0
        """How many files lie in no hour folder, read or not."""
        self.unsettled = 0
        """How many of them are too young."""
        self.errors: list[ConnectorError] = []
        """Why some of them could not be opened."""

    def look_into(
        self, folders: Iterable[str], files: Iterable[RemoteFile], pool: Executor
    ) -> None:
        """List everything below some folders, and open the files that no stream has read.

        Args:
            folders: Below the prefix.
            files: More files, already listed.
            pool: Threads to list and read in.

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
                "%s holds files that do not lie as Braze writes them (%s): all are listed in each "
                "run, and the state keeps every path.",
                self._bucket.url,
                shown,
            )
        # The event type of such a file stands only inside it. This is the one place where planning
        # reads files; the run reads them again, in full and in order.
        unread = sorted(file for file in found if self._is_to_be_read(file))
        # An Avro file says its type in its first bytes; JSON may mix types, so it is read whole.
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
            # No stream is to read it, since none with events in it is selected, or because the one
            # that remembered its event types no longer is. Any stream can remember them, so that
            # the next run does not open the file again.
            name = next(iter(selected or self._bookmarks))
            self._bookmarks[name].mark_shared(file.key, event_types)

    def _as_selected(self, event_type: str) -> str:
        """Return an event type in the spelling under which its stream is selected."""
        return self._spelled.get(stream_id(event_type), event_type)

    def types_to_remember(self, key: FileKey) -> list[str] | None:
        """Return what a stream that has read a file is to remember of the event types in it.

        Returns:
            All types for the first stream that asks, none for the others: if each of n streams
            remembered n types, STATE would grow with their square. None for files of one type.
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
            # An earlier run saw its event types: has a selected stream not read it yet?
            return any(
                not self._bookmarks[name].is_done(file.key)
                for name in map(self._as_selected, chain.from_iterable(known))
                if name in self._bookmarks
            )
        # Of a file with several types that no selected stream remembers, nobody knows who has not
        # read it. A file of one type is done when its stream has read it.
        return bool(known) or not any(one.is_done(file.key) for one in bookmarks)

    def _event_types(self, file: RemoteFile) -> list[str]:
        """Return the event types in a file; none, and an error noted, if it cannot be read."""
        try:
            return sorted(set(map(self._as_selected, look_into(self._bucket, file))))
        except FileNotFoundError:
            return []
        except BrokenFileError as error:
            self.errors.append(InputError(f"{file.path}: {error}."))
        except ConnectorError as error:
            self.errors.append(error)
        return []
