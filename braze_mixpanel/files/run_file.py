"""A file to which a run appends lines: on a disk, or in parts in an object store.

Both kinds make the same promise: when `flush` returns, all lines before it are stored safely, even
if this machine fails. STATE relies on this promise: it is written after the dead letter is flushed.

An object in a store cannot be appended to. So each `flush` writes the new lines as a new object,
`NAME-00001.jsonl`, `NAME-00002.jsonl` and so on, in one request. If the process is killed, all
parts in the store are complete.
"""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any, Final, Protocol

from braze_mixpanel.errors import ConnectorError, SettingsError
from braze_mixpanel.files.private_files import make_file, name_file
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.place import local_path, parse_place
from braze_mixpanel.stores.use import Use

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

PART_BYTES: Final = 4 << 20
"""A part of this size is written at once, which bounds the memory."""
_LINES: Final = "application/x-ndjson"


class RunFile(Protocol):
    """A file of lines that a run appends to."""

    @property
    def where(self) -> str:
        """The path, or the URL that all parts begin with."""

    @property
    def part(self) -> int:
        """The number of the part for the next line. A file on a disk has one part."""

    def open(self) -> None:
        """Create the file or check the store, so that a wrong place is found early.

        Raises:
            ConnectorError: The place cannot be used.
        """

    def check(self) -> None:
        """Check that the place can be used, without writing to it.

        Raises:
            ConnectorError: The place cannot be used.
        """

    def write(self, lines: bytes) -> None:
        """Append lines. Each line ends with a newline.

        Raises:
            ConnectorError: The lines cannot be written.
        """

    def flush(self) -> None:
        """Write all lines to the disk, or to the store, and wait until that is done.

        Raises:
            ConnectorError: The lines cannot be written.
        """

    def close(self) -> None:
        """Flush and close.

        Raises:
            ConnectorError: The last lines cannot be written.
        """


def make_run_file(
    place: Path | str,
    name: str,
    *,
    setting: str,
    what: str,
    options: Mapping[str, Any] | None = None,
) -> RunFile:
    """Return the file for a run. This creates nothing and sends no request.

    Args:
        place: A folder, or its URL in a store.
        name: The name of the plugin. The file name starts with it.
        setting: The name of the setting for `place`.
        what: The kind of file in words, for errors.
        options: The setting `path_options`.

    Raises:
        SettingsError: The URL is wrong.
    """
    use = Use(setting, "path_options", writes=True)
    if parse_place(str(place), use) is None:
        return LocalRunFile(local_path(str(place)), name, setting=setting, what=what)
    return StoreRunFile(StoreFolder(str(place), options or {}, use), name)


def private_file(path: Path) -> IO[bytes]:
    """Create and open a file that only its owner can read, because it holds personal data."""
    return os.fdopen(make_file(path), "ab")


class LocalRunFile:
    """A file on a disk. The first line creates it."""

    part = 1

    def __init__(
        self,
        folder: Path | str,
        name: str,
        *,
        setting: str,
        what: str,
        make: Callable[[Path], IO[bytes]] = private_file,
    ) -> None:
        """Choose the name of the file.

        Args:
            folder: The folder of the file.
            name: The start of the file name.
            setting: The name of the setting for the folder.
            what: The kind of file in words, for errors.
            make: Creates and opens the file at a path.
        """
        self.path = name_file(folder, name)
        self._setting, self._what, self._make = setting, what, make
        self._file: IO[bytes] | None = None
        self._is_dirty = False

    @property
    def where(self) -> str:
        """The path of the file."""
        return str(self.path)

    def open(self) -> None:
        """Create the file.

        Raises:
            SettingsError: The file cannot be created.
        """
        self._opened()

    def check(self) -> None:
        """Do nothing: the check of the settings has already checked the folder."""

    def write(self, lines: bytes) -> None:
        """Append lines.

        Raises:
            SettingsError: The disk is full, or the folder cannot be written to.
        """
        is_first = self._file is None
        try:
            file = self._opened()
            file.write(lines)
            if is_first:
                file.flush()  # so that a run that is killed leaves no empty file
        except OSError as error:
            raise self._cannot_write(error) from error
        self._is_dirty = True

    def flush(self) -> None:
        """Write everything to the disk: records that STATE covers must survive a power cut.

        Raises:
            SettingsError: The disk is full.
        """
        if self._file is None or not self._is_dirty:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise self._cannot_write(error) from error
        self._is_dirty = False

    def close(self) -> None:
        """Flush and close.

        Raises:
            SettingsError: The disk is full.
        """
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if self._is_dirty:
                file.flush()
                os.fsync(file.fileno())
            file.close()
        except OSError as error:
            raise self._cannot_write(error) from error

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            try:
                self._file = self._make(self.path)
            except OSError as error:
                raise self._cannot_write(error) from error
        return self._file

    def _cannot_write(self, error: OSError) -> SettingsError:
        return SettingsError(
            f"{self._what} {self.path} cannot be written: {error.strerror or error}. Give a "
            f"writable folder with free space in {self._setting}."
        )


class StoreRunFile:
    """A file in a store, written in parts. The lines since the last part are in memory."""

    def __init__(self, folder: StoreFolder, name: str, *, part_bytes: int = PART_BYTES) -> None:
        """Choose the name of the file.

        Args:
            folder: The folder of the parts.
            name: The start of their names.
            part_bytes: A part of this size is written at once.
        """
        self.part = 1
        self._folder, self._part_bytes = folder, part_bytes
        self._name = name_file("", name).stem
        self._lines: list[bytes] = []
        self._bytes = 0
        self._failure: ConnectorError | None = None

    @property
    def where(self) -> str:
        """The URL of all parts, with a star in place of the number."""
        return self._folder.where(f"{self._name}-*.jsonl")

    def open(self) -> None:
        """Check the store. No file is created."""
        self.check()

    def check(self) -> None:
        """Check that the bucket exists and accepts the credentials.

        Raises:
            ConnectorError: The store cannot be used.
        """
        self._folder.check()

    def write(self, lines: bytes) -> None:
        """Append lines. If the part is large enough, write it.

        Raises:
            ConnectorError: The part cannot be written.
        """
        self._lines.append(lines)
        self._bytes += len(lines)
        if self._bytes >= self._part_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the lines since the last part as a new part.

        Raises:
            ConnectorError: The store did not accept the part within a minute. Later calls raise the
                same error at once.
        """
        if not self._lines:
            return
        if self._failure is not None:
            raise self._failure
        try:
            name = f"{self._name}-{self.part:05}.jsonl"
            self._folder.write(name, b"".join(self._lines), _LINES)
        except ConnectorError as error:
            self._failure = error
            raise
        self._lines, self._bytes = [], 0
        self.part += 1

    def close(self) -> None:
        """Write the last part."""
        self.flush()
