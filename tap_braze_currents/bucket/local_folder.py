"""A local folder as a store. It lists files in the same order as an object store."""

from __future__ import annotations

import errno
import logging
import os
from datetime import datetime, timezone
from pathlib import Path
from stat import S_ISREG
from typing import TYPE_CHECKING

from tap_braze_currents.bucket.objects import Children, StoredObject
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator


logger = logging.getLogger("tap-braze-currents")


class LocalFolder:
    """List and read local files.

    Symbolic links are followed. Sockets, pipes and devices are skipped.
    """

    def scan(self, folder: str, after: str = "") -> Iterator[list[StoredObject]]:
        """List all files below a folder in the order of their paths, folder by folder.

        A folder or file that is removed during the listing counts as missing.

        Raises:
            OSError: A folder cannot be listed. It must not count as empty, or files would be lost.
        """
        below = folder.rstrip("/") + "/"
        return self._walk(below, after[len(below) :] if after.startswith(below) else "")

    def _walk(self, folder: str, after: str) -> Iterator[list[StoredObject]]:
        """Walk in the order of whole paths, in which `a-b` comes before `a/b`.

        A plain recursive walk would give `a/b` first, since `a` sorts before `a-b`. So the names of
        folders are sorted with their slash at the end.

        Args:
            folder: With a slash at its end.
            after: A path relative to the folder. Only paths that sort after it are listed.
        """
        page: list[StoredObject] = []
        try:
            entries = sorted(map(_sortable, self.list_folder(folder)))
        except FileNotFoundError:
            return
        for name, entry in entries:
            if name.endswith("/"):
                # If `after` is a path inside this folder, the walk starts there. Otherwise all
                # paths of the folder sort before `after`, or all sort behind it.
                if (after.startswith(name) or name > after) and not _leads_up(entry, folder):
                    if page:
                        yield page
                        page = []
                    yield from self._walk(folder + name, after[len(name) :] if name < after else "")
            elif name > after and (found := _described(entry)):
                page.append(found)
        if page:
            yield page

    def list_folder(self, folder: str) -> list[os.DirEntry[str]]:
        """Return the entries of one folder.

        Names that are not valid UTF-8 are skipped with a warning: neither STATE nor a log line can
        hold them.
        """
        with os.scandir(folder) as entries:
            found = list(entries)
        named = [entry for entry in found if _is_text(entry.name)]
        if len(named) < len(found):
            odd = min(os.fsencode(entry.name) for entry in found if not _is_text(entry.name))
            logger.warning(
                "%s holds %d file names that are not valid UTF-8, such as %r. These files are not "
                "read. Rename them.",
                folder,
                len(found) - len(named),
                odd[:100],
            )
        return named

    def children(self, folder: str) -> Children:
        """List one folder.

        Raises:
            FileNotFoundError: The folder does not exist.
            NotADirectoryError: The path is a file.
        """
        folders, objects = [], []
        for name, entry in sorted(map(_sortable, self.list_folder(folder))):
            if name.endswith("/"):
                folders.append(entry.name)
            elif found := _described(entry):
                objects.append(found)
        return Children(sorted(folders), objects)

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read a file, or the part of it from byte `start` to before byte `end`.

        Raises:
            FileNotFoundError: The file does not exist.
            BrokenFileError: The file is larger than `FILE_BYTES`.
        """
        with Path(path).open("rb") as file:
            file.seek(start or 0)
            # The read is bounded: a file may have grown since it was listed, and a device file
            # behind a link may never end.
            content = file.read(FILE_BYTES + 1 if end is None else end - (start or 0))
        if len(content) > FILE_BYTES:
            raise BrokenFileError(f"it is larger than {FILE_BYTES >> 20} MiB")
        return content

    def look_up(self, path: str) -> StoredObject:
        """Return the size and time of one file.

        Raises:
            FileNotFoundError: The file does not exist.
        """
        return _object(path, Path(path).stat())


def _leads_up(entry: os.DirEntry[str], folder: str) -> bool:
    """Return whether a link points to a folder above it. Following it would never end."""
    if not entry.is_symlink():
        return False
    real = os.path.realpath(entry.path)
    if not Path(os.path.realpath(folder)).is_relative_to(real):
        return False
    logger.warning("%s is a link to a folder above it and is not followed.", entry.path)
    return True


def _is_text(name: str) -> bool:
    return name.isprintable() or not any("\ud800" <= one <= "\udfff" for one in name)


def _sortable(entry: os.DirEntry[str]) -> tuple[str, os.DirEntry[str]]:
    try:
        is_folder = entry.is_dir()
    except OSError as error:  # ELOOP: a link to itself
        if error.errno != errno.ELOOP:
            raise
        is_folder = False
    return (entry.name + "/" if is_folder else entry.name), entry


def _described(entry: os.DirEntry[str]) -> StoredObject | None:
    """Return a file with its size and time, or None if it was removed or is not a plain file."""
    try:
        status = entry.stat()
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ELOOP):
            return None
        raise
    return _object(entry.path, status) if S_ISREG(status.st_mode) else None


def _object(path: str, status: os.stat_result) -> StoredObject:
    modified = datetime.fromtimestamp(status.st_mtime, timezone.utc)
    return StoredObject(path, status.st_size, modified)
