"""A file that a run writes at its end, over that of the last run."""

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
    """A file on a disk or in a store. Readers see the old content or the new one, never a part."""

    def __init__(
        self,
        place: str,
        *,
        setting: str,
        what: str,
        content_type: str,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Keep what is needed; nothing is written or asked of a service yet.

        Args:
            place: Its path or URL.
            setting: The setting that names it.
            what: What it is, for errors.
            content_type: Its media type, which a store keeps.
            options: The setting `path_options`.
        """
        self.where = place
        self._use = Use(setting, "path_options", writes=True)
        self._what, self._content_type, self._options = what, content_type, options or {}

    def problem(self) -> str | None:
        """Find why it cannot be written; nothing is written or asked of a service.

        Returns:
            The mistake and its fix, in one line; None if there is none.
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
        """Write it; on a disk only its owner can read it.

        Raises:
            ConnectorError: It cannot be written.
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
        """Split the URL into the folder and the name in it."""
        place = parse_place(self.where, self._use)
        if place is None or not place.prefix or self.where.endswith("/"):
            raise SettingsError(
                f"{self._use.url} is wrong: {self.where} is a folder; give the name of a file."
            )
        url, _, name = self.where.rpartition("/")
        return StoreFolder(url, self._options, self._use), name


def _replace(path: Path, content: bytes) -> None:
    """Write a new file beside the old one, and put it in its place in one step."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
