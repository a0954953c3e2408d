"""Instead of sending: the events, exactly as they would be sent, one a line."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.private_files import make_file, name_file
from target_mixpanel.sending.delivery import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from target_mixpanel.sending.batches import Batch


class DryRun:
    """Takes the place of `BatchDelivery`, and settles every batch by writing it to a file."""

    retries = 0
    in_flight = 0
    whole = True
    """Whether the file holds all that was mapped."""

    def __init__(self, folder: str, name: str) -> None:
        """Make the file, readable by its owner only: events hold personal data.

        Raises:
            SettingsError: It cannot be made.
        """
        self.path = name_file(folder, name)
        self._finished: list[Delivered] = []
        try:
            self._file: IO[bytes] = os.fdopen(make_file(self.path), "ab")
        except OSError as error:
            raise SettingsError(self._cannot_write(error)) from error

    def check_credentials(self) -> None:
        """Do nothing: a dry run needs none."""

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = lambda: False) -> None:  # noqa: ARG002
        """Write a batch.

        Raises:
            SettingsError: It cannot be written.
        """
        try:
            self._file.write(b"\n".join(batch.bodies) + b"\n")
        except OSError as error:
            self.whole = False
            raise SettingsError(self._cannot_write(error)) from error
        self._finished.append(Delivered(batch, []))

    def finished(self) -> Iterator[Delivered]:
        """Take the batches that are done."""
        done, self._finished = self._finished, []
        yield from done

    def drain(self, go_on: Callable[[], bool]) -> None:  # noqa: ARG002 - nothing is under way
        """Close the file.

        Raises:
            SettingsError: The last of it cannot be written.
        """
        try:
            self._file.close()
        except OSError as error:
            self.whole = False
            raise SettingsError(self._cannot_write(error)) from error

    def _cannot_write(self, error: OSError) -> str:
        return (
            f"The dry run's file {self.path} cannot be written: {error.strerror or error}. "
            "Give a writable folder with free space in dry_run_path."
        )
