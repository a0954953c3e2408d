"""The bucket in Braze's terms: integrations, event types, hours and files."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from heapq import nlargest
from typing import TYPE_CHECKING, Any, NamedTuple

from braze_mixpanel.errors import ConnectorError, SettingsError
from braze_mixpanel.stores.store_errors import explain
from tap_braze_currents.bucket.layout import (
    HOUR_FOLDER,
    INTEGRATION_FOLDER,
    TYPE_FOLDER,
    FileKey,
    is_data,
    is_hour,
    parse_path,
)
from tap_braze_currents.bucket.open_store import CURRENTS, open_store
from tap_braze_currents.bucket.passed_over import PassedOver

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping
    from datetime import datetime

    from tap_braze_currents.bucket.objects import Children, StoredObject

_MOST_FOLDERS_TO_LOOK_INTO = 50
_NEWEST_FILES = 5
"""How many of the newest files are returned: the very newest may be damaged."""


@dataclass(frozen=True, order=True)
class RemoteFile:
    """A file of the bucket. Files sort by hour."""

    key: FileKey
    path: str
    """The full path in the store, see `StoredObject`."""
    size: int | None = None
    modified: datetime | None = None


class Folders(NamedTuple):
    """The two uppermost levels of folders below the prefix."""

    integrations: dict[str, set[str]]
    """Integration folder → event types in it."""
    others: list[str]
    """Folders that do not follow Braze's layout."""
    files: list[RemoteFile]
    """Data files that are not in a deeper folder."""

    def event_types(self) -> set[str]:
        """Return all event types that have a folder."""
        return set().union(*self.integrations.values())


class Bucket:
    """The files below the setting `storage_url`."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Open the store. This lists nothing.

        Args:
            url: The setting `storage_url`.
            options: The setting `storage_options`.

        Raises:
            SettingsError: The URL or an option is wrong, or a package is missing.
        """
        self.url = url.rstrip("/") or url
        self.passed_over = PassedOver()
        """What the listings so far have left out."""
        with self._explained():
            self.store, self.root, self.address = open_store(self.url, options)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ConnectorError:
            raise
        except Exception as error:  # each store library has its own error classes
            raise explain(error, self.url, CURRENTS) from error

    def folders(self) -> Folders:
        """List the two uppermost levels: integrations and their event types.

        Raises:
            SettingsError: The bucket or the folder is missing, or `storage_url` names a folder that
                is too high or too low in the tree. The message then names the right folder.
            TemporaryError: The service does not answer.
        """
        inside = next((part for part in self.root.split("/") if part.startswith(TYPE_FOLDER)), None)
        if inside:
            place = self.url if inside in self.url else self.root
            above = place[: place.index(inside)].rstrip("/").rpartition("/")[0]
            raise SettingsError(
                f"storage_url is too deep, inside {inside}: set it to {above}, the folder that "
                "holds the folder dataexport.….integration.…"
            )
        found = Folders({}, [], [])
        folders = self._sort_in("", self._children(""), found)
        too_high = []
        # Only a limited number of folders is listed. Folders with the name of an integration come
        # first, so that many other folders cannot push them beyond the limit.
        folders.sort(key=lambda name: not INTEGRATION_FOLDER.match(name))
        named = sum(bool(INTEGRATION_FOLDER.match(name)) for name in folders)
        for name in folders[: named + _MOST_FOLDERS_TO_LOOK_INTO]:
            children = self._children(name)
            if any(child.startswith(TYPE_FOLDER) for child in children.folders):
                found.others.extend(self._sort_in(name, children, found))
            elif children != ([], []) or not INTEGRATION_FOLDER.match(name):
                found.others.append(name)
                too_high += [name] if any(map(INTEGRATION_FOLDER.match, children.folders)) else []
        found.others.extend(folders[named + _MOST_FOLDERS_TO_LOOK_INTO :])
        if too_high and not found.integrations and not found.files:
            urls = " or ".join(f"{self.url}/{name}" for name in too_high[:3])
            raise SettingsError(f"storage_url is too high: set it to {urls}.")
        return found

    def _sort_in(self, folder: str, children: Children, found: Folders) -> list[str]:
        """Add the content of a folder to `found`, and return its folders of unknown layout."""
        unknown = []
        for stored in children.objects:
            if self._is_data(stored):
                found.files.append(self._remote_file(stored, by_path=True))
        for name in children.folders:
            if name.startswith(TYPE_FOLDER):
                found.integrations.setdefault(folder, set()).add(name[len(TYPE_FOLDER) :])
            else:
                unknown.append(_join(folder, name))
        return sorted(unknown)

    def _children(self, folder: str) -> Children:
        """List one folder."""
        with self._explained():
            try:
                return self.store.children(_join(self.root, folder))
            except NotADirectoryError as error:
                raise SettingsError(
                    f"storage_url {self.url} is a file: set it to the folder that holds the files."
                ) from error

    def not_hours(self, integration: str, event_type: str) -> list[str]:
        """Return the files and folders directly below an event type that are not hours or days."""
        folder = _join(integration, TYPE_FOLDER + event_type)
        children = self._children(folder)
        files = [one.path.rpartition("/")[2] for one in children.objects if is_data(one.path)]
        folders = [
            name
            for name in children.folders
            if not (name.startswith(HOUR_FOLDER) and is_hour(name[len(HOUR_FOLDER) :]))
        ]
        return sorted(_join(folder, name) for name in files + folders)

    def scan(
        self, integration: str, event_type: str, first_hour: str, known: Container[str] = ()
    ) -> Iterator[list[RemoteFile]]:
        """List the files of an event type, oldest hour first, in one ordered pass.

        Args:
            integration: The folder of the integration.
            event_type: The event type in Braze's spelling.
            first_hour: The first hour to list. Empty: all hours.
            known: Paths below the prefix to leave out.

        Yields:
            Pages of files in the order of their paths. A page may hold files of several hours.

        Raises:
            ConnectorError: The folder cannot be listed.
        """
        folder = _join(self.root, integration, TYPE_FOLDER + event_type)
        hours = f"{folder}/{HOUR_FOLDER}"
        # `date=2026-11-01-05` as the key to start after: hour folders from this hour on sort behind
        # it, since they go on with a slash. The folder of a whole day, `date=2026-11-01/`, sorts
        # behind all hours of that day ("/" comes after "-"), so it is listed too.
        after = hours + first_hour if first_hour else ""
        begin = len(self.root) + 1
        with self._explained():
            for page in self.store.scan(folder, after):
                files = []
                for stored in page:
                    path = stored.path
                    if path[begin:] in known:
                        continue
                    if path.startswith(hours):
                        files += [self._remote_file(stored)] if self._is_data(stored) else []
                    elif not is_data(path):  # with another ending `not_hours` finds it
                        self.passed_over.add(stored)
                yield files
                if page and page[-1].path > hours + ":":
                    # ":" is the character after "9": no hour can follow, so the listing may end.
                    return

    def newest(self, integration: str, event_type: str, hours: Iterable[str]) -> list[RemoteFile]:
        """Find the newest files of an event type with few requests.

        Args:
            integration: The folder of the integration.
            event_type: The event type in Braze's spelling.
            hours: Hours to list from, newest first. If no file is found from these hours on, the
                names of the folders give the hours that exist.

        Returns:
            The newest files of the first listing that is not empty, newest first.

        Raises:
            ConnectorError: The folder cannot be listed.
        """
        for hour in hours:
            if last := self._last_from(integration, event_type, hour):
                return last
        folders = self._children(_join(integration, TYPE_FOLDER + event_type)).folders
        names = (name[len(HOUR_FOLDER) :] for name in folders if name.startswith(HOUR_FOLDER))
        for hour in sorted(filter(is_hour, names), reverse=True):
            if last := self._last_from(integration, event_type, hour):
                return last
        return []

    def _last_from(self, integration: str, event_type: str, hour: str) -> list[RemoteFile]:
        pages = self.scan(integration, event_type, hour)
        return nlargest(_NEWEST_FILES, (file for page in pages for file in page if file.key.hour))

    def files_below(self, folder: str) -> list[RemoteFile]:
        """List all data files below a folder that does not follow Braze's layout.

        Raises:
            ConnectorError: The folder cannot be listed.
        """
        with self._explained():
            return sorted(
                self._remote_file(stored, by_path=True)
                for page in self.store.scan(_join(self.root, folder))
                for stored in page
                if self._is_data(stored)
            )

    def file(self, key: FileKey, event_type: str) -> RemoteFile | None:
        """Look up one file by its key.

        Returns:
            The file, or None if it does not exist. If the look-up fails for another reason, the
            file has no size and no time, and reading it reports the error.
        """
        path = _join(self.root, key.path(event_type))
        try:
            return self._remote_file(self.store.look_up(path))
        except FileNotFoundError:
            return None
        except Exception:  # noqa: BLE001 - reading the file reports the error
            return RemoteFile(key, path)

    def _is_data(self, stored: StoredObject) -> bool:
        if is_data(stored.path):
            return True
        self.passed_over.add(stored)
        return False

    def _remote_file(self, stored: StoredObject, *, by_path: bool = False) -> RemoteFile:
        below = stored.path[len(self.root) :].lstrip("/")
        key = FileKey("", "", below) if by_path else parse_path(below)
        return RemoteFile(key, stored.path, stored.size, stored.modified)


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)
