"""A file that a run writes at its end. It replaces the file of the last run."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.private_files import find_folder_problem
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.place import local_path, parse_place
from braze_mixpanel.stores.use import Use

if TYPE_CHECKING:
    from collections.abc import Mapping


class WholeFile:
    """A file on a disk or in a store. Readers see the old or the new content, never a mixture."""

    def __init__(
        self,
        place: str,
        *,
        setting: str,
        what: str,
        content_type: str,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Create the object. This writes nothing and sends no request.

        Args:
            place: The path or URL of the file.
            setting: The name of the setting for the file.
            what: The kind of file in words, for errors.
            content_type: The media type, for a store.
            options: The setting `path_options`.
        """
        self.where = place
        self._use = Use(setting, "path_options", writes=True)
        self._what, self._content_type, self._options = what, content_type, options or {}

    def problem(self) -> str | None:
        """Check that the file can be written, without writing and without a request.

        Returns:
            The mistake and what to do, in one line, or None.
        """
        setting = self._use.url
        try:
            if parse_place(self.where, self._use) is not None:
                self._in_store()
                return None
        except SettingsError as error:
            return f"Setting {error}"
        path = Path(local_path(self.where))
        if path.is_dir():
            return f"Setting {setting} is wrong: {path} is a folder; give the name of a file."
        return find_folder_problem(setting, path.parent)

    def write(self, content: bytes) -> None:
        """Write the file. On a disk, only its owner can read it.

        Args:
            content: The whole content.

        Raises:
            ConnectorError: The file cannot be written.
        """
        if parse_place(self.where, self._use) is not None:
            folder, name = self._in_store()
            folder.write(name, content, self._content_type)
            return
        path = Path(local_path(self.where))
        try:
            _replace(path, content)
        except OSError as error:
            raise SettingsError(
                f"{self._what} {path} cannot be written: {error.strerror or error}. Give a file in "
                f"a writable folder with free space in {self._use.url}."
            ) from error

    def _in_store(self) -> tuple[StoreFolder, str]:
        """Return the folder and the file name in the URL."""
        place = parse_place(self.where, self._use)
        if place is None or not place.prefix or self.where.endswith("/"):
            raise SettingsError(
                f"{self._use.url} is wrong: {self.where} is a folder; give the name of a file."
            )
        url, _, name = self.where.rpartition("/")
        return StoreFolder(url, self._options, self._use), name


def _replace(path: Path, content: bytes) -> None:
    """Write a new file next to the old one, then rename it over the old one in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
