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
from tap_braze_currents.layout import (
    HOUR_FOLDER,
    INTEGRATION_FOLDER,
    TYPE_FOLDER,
    FileKey,
    is_data,
    parse_path,
)
from tap_braze_currents.storage_errors import explain

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
    """What lies directly below the prefix."""

    integrations: dict[str, set[str]]
    """Integration folder → event types in it."""
    others: list[str]
    """Files and folders that are not Braze's own layout."""


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
        self.is_remote = scheme not in {"file", "local", "memory"}
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
            above = self.url[: self.url.index(inside)].rstrip("/").rpartition("/")[0]
            raise SettingsError(
                f"storage_url lies too deep, inside {inside}: set it to {above}, the folder above "
                "the one named dataexport.….integration.…"
            )
        children = self._children("")
        integrations: dict[str, set[str]] = {}
        others: list[str] = []
        for name, is_folder in children.items():
            if name.startswith(TYPE_FOLDER):
                integrations.setdefault("", set()).add(name[len(TYPE_FOLDER) :])
            elif is_folder and INTEGRATION_FOLDER.match(name):
                integrations[name] = {
                    child[len(TYPE_FOLDER) :]
                    for child in self._children(name)
                    if child.startswith(TYPE_FOLDER)
                }
            elif is_folder or is_data(name):
                others.append(name)
        if not integrations:
            self._check_level({name: children[name] for name in others})
        return Folders(integrations, others)

    def _check_level(self, others: Mapping[str, bool]) -> None:
        folders = [name for name, is_folder in others.items() if is_folder]
        if len(folders) < len(others):
            return  # files lie here: a flat folder
        found = [
            name
            for name in folders[:_MOST_FOLDERS_TO_LOOK_INTO]
            if any(INTEGRATION_FOLDER.match(child) for child in self._children(name))
        ]
        if found:
            urls = " or ".join(f"{self.url}/{name}" for name in found[:3])
            raise SettingsError(f"storage_url lies too high: set it to {urls}.")

    def _children(self, folder: str) -> dict[str, bool]:
        """List one folder: name → whether it is a folder itself."""
        path = f"{self.root}/{folder}" if folder else self.root
        with self._explained():
            try:
                entries = self.fs.ls(path, detail=True)
            except NotADirectoryError as error:
                raise SettingsError(
                    f"storage_url {self.url} is a file: set it to the folder that holds the files."
                ) from error
        return {
            entry["name"].rstrip("/").rpartition("/")[2]: entry["type"] == "directory"
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

    def files_of_hours(self, integration: str, event_type: str, prefix: str) -> list[RemoteFile]:
        """List the files of all hours that begin with a prefix such as `2026-11-1`, in order."""
        folder = _join(self.root, integration, TYPE_FOLDER + event_type)
        return self._find(folder, HOUR_FOLDER + prefix)

    def files_below(self, name: str) -> list[RemoteFile]:
        """List all files of a layout without hours: of one folder, or the file of that name."""
        files = self._find(self.root, name)
        return [file for file in files if (file.key.name + "/").startswith(name + "/")]

    def file(self, key: FileKey, event_type: str) -> RemoteFile | None:
        """Look up one file by its key; None if it is gone."""
        with self._explained():
            try:
                info = self.fs.info(_join(self.root, key.path(event_type)))
            except FileNotFoundError:
                return None
        return self._remote_file(info)

    def _find(self, folder: str, prefix: str) -> list[RemoteFile]:
        with self._explained():
            if self._has_prefixes:
                found = self.fs.find(folder, prefix=prefix, detail=True)
            else:
                found = self._walk(folder, prefix)
        files = [
            self._remote_file(info)
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
                    found.update(self.fs.find(path, detail=True))
                else:
                    found[path] = entry
        return found

    def _remote_file(self, info: Mapping[str, Any]) -> RemoteFile:
        path = info["name"]
        below = path.lstrip("/")[len(self.root.lstrip("/")) :].lstrip("/")
        return RemoteFile(parse_path(below), path, info.get("size"), _modified(info))


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


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def _modified(info: Mapping[str, Any]) -> datetime | None:
    for name in ("LastModified", "last_modified", "updated", "mtime", "modified", "created"):
        value = info.get(name)
        if isinstance(value, (int, float)):
            return datetime.fromtimestamp(value, timezone.utc)
        if isinstance(value, str):
            value = datetime.fromisoformat(value.replace("Z", "+00:00"))
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=timezone.utc)
    return None
