"""A dry run: writes the events to a file, exactly as they would be sent, one a line."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.private_files import make_file, name_file
from target_mixpanel.sending.delivery import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from target_mixpanel.sending.batches import Batch


def private_file(path: Path) -> IO[bytes]:
    """Make a file that only its owner can read: events hold personal data."""
    return os.fdopen(make_file(path), "ab")


class DryRun:
    """Takes the place of `BatchDelivery`: writes each batch to a file, which settles it."""

    def __init__(
        self, folder: str, name: str, *, make: Callable[[Path], IO[bytes]] = private_file
    ) -> None:
        """Choose the name of the file; `open` makes it.

        Args:
            folder: Where the files of all dry runs are.
            name: The plugin's name, with which the file's name begins.
            make: Makes the file at a path.
        """
        self.retries = 0
        self.in_flight = 0
        self.path = name_file(folder, name)
        self.whole = True
        """Whether the file holds all events that were mapped."""
        self._finished: list[Delivered] = []
        self._make = make
        self._file: IO[bytes] | None = None

    def open(self) -> None:
        """Make the file, so that an unusable path is found before anything is read.

        Raises:
            SettingsError: It cannot be made.
        """
        self._opened()

    def check_credentials(self) -> None:
        """Do nothing: a dry run needs none."""

    def abort(self, message: str) -> None:
        """Do nothing: writing never waits."""

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Write a batch.

        Args:
            batch: The events.
            stopping: Not asked, since writing never waits.

        Raises:
            SettingsError: It cannot be written.
        """
        del stopping
        file = self._opened()
        try:
            file.write(b"\n".join(batch.bodies) + b"\n")
        except OSError as error:
            self.whole = False
            raise SettingsError(self._cannot_write(error)) from error
        self._finished.append(Delivered(batch, []))

    def finished(self) -> Iterator[Delivered]:
        """Yield the batches that were written since the last call."""
        done, self._finished = self._finished, []
        yield from done

    def drain(self, go_on: Callable[[], bool]) -> None:
        """Close the file.

        Args:
            go_on: Not asked, since nothing is in flight.

        Raises:
            SettingsError: The last events cannot be written.
        """
        del go_on
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as error:
            self.whole = False
            raise SettingsError(self._cannot_write(error)) from error

    def _opened(self) -> IO[bytes]:
        if self._file is None:
            try:
                self._file = self._make(self.path)
            except OSError as error:
                raise SettingsError(self._cannot_write(error)) from error
        return self._file

    def _cannot_write(self, error: OSError) -> str:
        return (
            f"The dry run's file {self.path} cannot be written: {error.strerror or error}. "
            "Give a writable folder with free space in dry_run_path."
        )
