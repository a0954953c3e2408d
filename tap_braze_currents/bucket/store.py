"""Which files there are: fsspec, layout and listing. What is done with them lies elsewhere."""

from __future__ import annotations

import contextlib
import difflib
import inspect
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, NamedTuple

import fsspec  # type: ignore[import-untyped]
from fsspec.core import url_to_fs  # type: ignore[import-untyped]

from braze_mixpanel.errors import ConnectorError, SettingsError
from braze_mixpanel.times import read_time
from tap_braze_currents.bucket.layout import (
    HOUR_FOLDER,
    INTEGRATION_FOLDER,
    TYPE_FOLDER,
    FileKey,
    is_data,
    is_hour,
    parse_path,
)
from tap_braze_currents.bucket.store_errors import explain

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_OBJECT_STORES = frozenset({"s3", "s3a", "gs", "gcs", "abfs", "abfss", "az", "adl"})
"""Their `find` takes a prefix; the others are folders to be walked."""
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_OPTIONS_OF_ALL = frozenset({"listings_expiry_time", "max_paths", "use_listings_cache"})
_MOST_FOLDERS_TO_LOOK_INTO = 50


@dataclass(frozen=True, order=True)
class RemoteFile:
    """A file of the bucket; they sort by hour."""

    key: FileKey
    path: str
    """As the file system wants it."""
    size: int | None = None
    modified: datetime | None = None


class Folders(NamedTuple):
    """What lies directly below the prefix, and directly below the integrations in it."""

    integrations: dict[str, set[str]]
    """Integration folder → event types in it."""
    others: list[str]
    """Folders that are not Braze's own layout."""
    files: list[RemoteFile]
    """Files beside the folders."""


class Bucket:
    """The files below the setting `storage_url`."""

    def __init__(self, url: str, options: Mapping[str, Any]) -> None:
        """Connect; nothing is listed yet.

        Raises:
            SettingsError: The URL, an option or a missing package.
        """
        self.url = url.rstrip("/") or url
        scheme = url.partition("://")[0] if "://" in url else "file"
        self._has_prefixes = scheme in _OBJECT_STORES
        # Listings must be fresh, and two taps in one process may have different credentials.
        own = {"use_listings_cache": False, "skip_instance_cache": True}
        try:
            _check_options(fsspec.get_filesystem_class(scheme), options)
            self.fs, self.root = url_to_fs(self.url, **own, **options)
        except ImportError as error:
            extra = _EXTRAS.get(scheme, "azure")
            raise SettingsError(
                f"Reading {scheme}:// needs another package: pip install 'braze-mixpanel[{extra}]'."
            ) from error
        except (ValueError, TypeError, OSError) as error:
            raise explain(error, self.url) from error
        self.root = self.root.rstrip("/") or self.root

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except ConnectorError:
            raise
        except Exception as error:  # each file system has its own tree of errors
            raise explain(error, self.url) from error

    def folders(self) -> Folders:
        """Look at the two uppermost levels: integrations and their event types.

        Raises:
            SettingsError: The bucket or the folder is missing, or this is not the right level.
            TemporaryError: The service does not answer.
        """
        inside = next((part for part in self.root.split("/") if part.startswith(TYPE_FOLDER)), None)
        if inside:
            place = self.url if inside in self.url else self.root
            above = place[: place.index(inside)].rstrip("/").rpartition("/")[0]
            raise SettingsError(
                f"storage_url lies too deep, inside {inside}: set it to {above}, the folder above "
                "the one named dataexport.….integration.…"
            )
        found = Folders({}, [], [])
        folders = self._sort_in("", self._children(""), found)
        too_high = []
        # Those that are called like integrations first: else many others would hide them.
        folders.sort(key=lambda name: not INTEGRATION_FOLDER.match(name))
        named = sum(bool(INTEGRATION_FOLDER.match(name)) for name in folders)
        for name in folders[: named + _MOST_FOLDERS_TO_LOOK_INTO]:
            children = self._children(name)
            if any(child.startswith(TYPE_FOLDER) for child in children):
                found.others.extend(self._sort_in(name, children, found))
            elif children or not INTEGRATION_FOLDER.match(name):
                found.others.append(name)
                too_high += [name] if any(map(INTEGRATION_FOLDER.match, children)) else []
        found.others.extend(folders[named + _MOST_FOLDERS_TO_LOOK_INTO :])
        if too_high and not found.integrations and not found.files:
            urls = " or ".join(f"{self.url}/{name}" for name in too_high[:3])
            raise SettingsError(f"storage_url lies too high: set it to {urls}.")
        return found

    def _sort_in(
        self, folder: str, children: Mapping[str, Mapping[str, Any]], found: Folders
    ) -> list[str]:
        """Add what lies in a folder to what was found; return the folders of unknown layout."""
        unknown = []
        for name, info in children.items():
            path = _join(folder, name)
            if info["type"] != "directory":
                if is_data(name):
                    found.files.append(self._remote_file(info, by_path=True))
            elif name.startswith(TYPE_FOLDER):
                found.integrations.setdefault(folder, set()).add(name[len(TYPE_FOLDER) :])
            else:
                unknown.append(path)
        return sorted(unknown)

    def _children(self, folder: str) -> dict[str, dict[str, Any]]:
        """List one folder: name → what the file system says of it."""
        path = _join(self.root, folder)
        with self._explained():
            try:
                entries = self.fs.ls(path, detail=True)
            except NotADirectoryError as error:
                raise SettingsError(
                    f"storage_url {self.url} is a file: set it to the folder that holds the files."
                ) from error
        return {
            entry["name"].rstrip("/").rpartition("/")[2]: entry
            for entry in entries
            if entry["name"].strip("/") != path.strip("/")
        }

    def hours(self, integration: str, event_type: str) -> list[str]:
        """List the names of the `date=` folders of one event type, without `date=`, in order."""
        return sorted(
            name[len(HOUR_FOLDER) :]
            for name in self._children(_join(integration, TYPE_FOLDER + event_type))
            if name.startswith(HOUR_FOLDER)
        )

    def not_hours(self, integration: str, event_type: str) -> list[str]:
        """List what lies directly below an event type and is no folder of an hour or a day."""
        folder = _join(integration, TYPE_FOLDER + event_type)
        return sorted(
            _join(folder, name)
            for name, info in self._children(folder).items()
            if not (name.startswith(HOUR_FOLDER) and is_hour(name[len(HOUR_FOLDER) :]))
            and (info["type"] == "directory" or is_data(name))
        )

    def files_of_hours(self, integration: str, event_type: str, prefix: str) -> list[RemoteFile]:
        """List the files of all hours that begin with a prefix such as `2026-11-1`, in order."""
        folder = _join(self.root, integration, TYPE_FOLDER + event_type)
        return self._find(folder, HOUR_FOLDER + prefix)

    def files_below(self, folder: str) -> list[RemoteFile]:
        """List all files of a folder without hours, each by its path."""
        parent, _, name = folder.rpartition("/")
        files = self._find(_join(self.root, parent), name, by_path=True)
        return [file for file in files if file.key.name.startswith(folder + "/")]

    def file(self, key: FileKey, event_type: str) -> RemoteFile | None:
        """Look up one file by its key.

        Returns:
            The file; as far as it is known if it cannot be looked up, so that reading it says why.
            None if it is gone.
        """
        path = _join(self.root, key.path(event_type))
        try:
            return self._remote_file(self.fs.info(path))
        except FileNotFoundError:
            return None
        except Exception:  # noqa: BLE001 - each file system has its own tree of errors
            return RemoteFile(key, path)

    def _find(self, folder: str, prefix: str, *, by_path: bool = False) -> list[RemoteFile]:
        with self._explained():
            if self._has_prefixes:
                found = self.fs.find(folder, prefix=prefix, detail=True)
            else:
                found = self._walk(folder, prefix)
        files = [
            self._remote_file(info, by_path=by_path)
            for info in found.values()
            if info["type"] == "file" and is_data(info["name"])
        ]
        return sorted(files, key=lambda file: file.key)

    def _walk(self, folder: str, prefix: str) -> dict[str, Any]:
        found: dict[str, Any] = {}
        try:
            entries = self.fs.ls(folder, detail=True)
        except FileNotFoundError:
            return found
        for entry in entries:
            path = entry["name"]
            if path.rstrip("/").rpartition("/")[2].startswith(prefix):
                if entry["type"] == "directory":
                    found.update(self.fs.find(path, detail=True, on_error=_raise_unless_gone))
                else:
                    found[path] = entry
        return found

    def _remote_file(self, info: Mapping[str, Any], *, by_path: bool = False) -> RemoteFile:
        path = info["name"]
        below = path.lstrip("/")[len(self.root.lstrip("/")) :].lstrip("/")
        key = FileKey("", "", below) if by_path else parse_path(below)
        return RemoteFile(key, path, info.get("size"), _modified(info))


def _check_options(file_system: type[Any], options: Mapping[str, Any]) -> None:
    """Refuse options that the file system does not have; most of them swallow any name."""
    known = {
        name
        for base in file_system.__mro__
        for name in inspect.signature(base.__init__).parameters  # type: ignore[misc]
    } | _OPTIONS_OF_ALL
    for name in options:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {close[0]}?" if close else "see the package's documentation."
            raise SettingsError(f"storage_options has no {name} for this storage_url: {hint}")


def _raise_unless_gone(error: Exception) -> None:
    """Let no folder count as empty because it could not be listed."""
    if not isinstance(error, FileNotFoundError):
        raise error


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _modified(info: Mapping[str, Any]) -> datetime | None:
    for name in ("LastModified", "last_modified", "updated", "mtime", "modified", "created"):
        value = info.get(name)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, timezone.utc)
        if isinstance(value, str):
            return read_time(value)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return None
