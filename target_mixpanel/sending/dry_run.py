"""A dry run: writes the events to a file, exactly as they would be sent, one a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.errors import ConnectorError
from target_mixpanel.sending.delivery import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from braze_mixpanel.files.run_file import RunFile
    from target_mixpanel.sending.batches import Batch


class DryRun:
    """Takes the place of `BatchDelivery`: writes each batch to a file, which settles it."""

    def __init__(self, file: RunFile) -> None:
        """Keep the file; `open` makes it.

        Args:
            file: Takes the events.
        """
        self.retries = 0
        self.retries_by_minute: Mapping[int, int] = {}
        self.in_flight = 0
        self.paused_for = 0.0
        self.whole = True
        """Whether the file holds all events that were mapped."""
        self._finished: list[Delivered] = []
        self._file = file

    @property
    def where(self) -> str:
        """The path of the file, or the URL of its parts."""
        return self._file.where

    def open(self) -> None:
        """Make the file, so that an unusable path is found before anything is read.

        Raises:
            ConnectorError: It cannot be made.
        """
        self._file.open()

    def check(self) -> None:
        """Check, without writing, that the store can be used.

        Raises:
            ConnectorError: It cannot.
        """
        self._file.check()

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
            ConnectorError: It cannot be written.
        """
        del stopping
        try:
            self._file.write(batch.events + b"\n")
        except ConnectorError:
            self.whole = False
            raise
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
            ConnectorError: The last events cannot be written.
        """
        del go_on
        try:
            self._file.close()
        except ConnectorError:
            self.whole = False
            raise
