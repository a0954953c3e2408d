"""The file of lines that a run appends to: on a disk, or in parts in an object store.

Both give the same promise, which the order of dead letter and STATE rests on: when `flush` returns,
all lines written before are there whatever happens to this machine.

An object cannot be appended to. So the lines since the last `flush` become an object of their own,
`NAME-00001.jsonl`, `NAME-00002.jsonl`, …, written in one request. A process that is killed in
between leaves whole parts only.
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
"""A part that has grown to this size is written at once, which bounds the memory."""
_LINES: Final = "application/x-ndjson"


class RunFile(Protocol):
    """A file of lines that a run appends to."""

    @property
    def where(self) -> str:
        """Its path, or the URL that all its parts begin with."""

    @property
    def part(self) -> int:
        """Number of the part that the next line goes to; a file on a disk has one part."""

    def open(self) -> None:
        """Make the file, or check the store, so that an unusable place is found early.

        Raises:
            ConnectorError: It cannot be used.
        """

    def check(self) -> None:
        """Check the place, and write nothing.

        Raises:
            ConnectorError: It cannot be used.
        """

    def write(self, lines: bytes) -> None:
        """Append lines, each with its line end.

        Raises:
            ConnectorError: They cannot be written.
        """

    def flush(self) -> None:
        """Return when all lines are on the disk, or acknowledged by the store.

        Raises:
            ConnectorError: They cannot be written.
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
    """Choose the name of a file; nothing is made or asked of a service yet.

    Args:
        place: A folder, or the URL of one in a store.
        name: The plugin's name, with which the file's name begins.
        setting: The setting that names the place.
        what: What the file is, for errors.
        options: The setting `path_options`.

    Raises:
        SettingsError: The URL is wrong.
    """
    use = Use(setting, "path_options", writes=True)
    if parse_place(str(place), use) is None:
        return LocalRunFile(local_path(str(place)), name, setting=setting, what=what)
    return StoreRunFile(StoreFolder(str(place), options or {}, use), name)


def private_file(path: Path) -> IO[bytes]:
    """Make a file that only its owner can read: it holds personal data."""
    return os.fdopen(make_file(path), "ab")


class LocalRunFile:
    """A file on a disk; the first line makes it."""

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
        """Choose its name.

        Args:
            folder: Where it is made.
            name: How its name begins.
            setting: The setting that names the folder.
            what: What it is, for errors.
            make: Makes the file at a path.
        """
        self.path = name_file(folder, name)
        self._setting, self._what, self._make = setting, what, make
        self._file: IO[bytes] | None = None
        self._is_dirty = False

    @property
    def where(self) -> str:
        """Its path."""
        return str(self.path)

    def open(self) -> None:
        """Make it.

        Raises:
            SettingsError: It cannot be made.
        """
        self._opened()

    def check(self) -> None:
        """Do nothing: the check of the settings has looked at the folder."""

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
                file.flush()  # a run that is killed leaves no empty file
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
    """A file in a store, in parts; it keeps the lines since the last part in memory."""

    def __init__(self, folder: StoreFolder, name: str, *, part_bytes: int = PART_BYTES) -> None:
        """Choose its name.

        Args:
            folder: Where its parts are written.
            name: How their names begin.
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
        """The URL that all parts begin with, and a star."""
        return self._folder.where(f"{self._name}-*.jsonl")

    def open(self) -> None:
        """Check the store, which needs no file to be made."""
        self.check()

    def check(self) -> None:
        """Check that the bucket is there and that the credentials are known.

        Raises:
            ConnectorError: The store cannot be used.
        """
        self._folder.check()

    def write(self, lines: bytes) -> None:
        """Append lines; a part that is large enough is written.

        Raises:
            ConnectorError: The part cannot be written.
        """
        self._lines.append(lines)
        self._bytes += len(lines)
        if self._bytes >= self._part_bytes:
            self.flush()

    def flush(self) -> None:
        """Write the lines since the last part as a part of their own.

        Raises:
            ConnectorError: The store does not take it. It was tried for a minute: later calls do
                not try again.
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
