"""Write the events of a dry run to a file, one on each line, exactly as they would be sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.errors import ConnectorError
from target_mixpanel.sending.delivery import Delivered

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from braze_mixpanel.files.run_file import RunFile
    from target_mixpanel.sending.batches import Batch


class DryRun:
    """A sender that replaces `BatchDelivery`: it writes each batch to a file."""

    def __init__(self, file: RunFile) -> None:
        """Create the sender. `open` creates the file.

        Args:
            file: The file for the events.
        """
        self.retries = 0
        self.retries_by_minute: Mapping[int, int] = {}
        self.in_flight = 0
        self.paused_for = 0.0
        self.whole = True
        """Whether the file holds all events. False after an error."""
        self._finished: list[Delivered] = []
        self._file = file

    @property
    def where(self) -> str:
        """The path of the file, or the URL of its parts."""
        return self._file.where

    def open(self) -> None:
        """Create the file. This happens before the input is read, to find a wrong path early.

        Raises:
            ConnectorError: The file cannot be created.
        """
        self._file.open()

    def check(self) -> None:
        """Check that the store can be used, without writing to it.

        Raises:
            ConnectorError: The store cannot be used.
        """
        self._file.check()

    def check_credentials(self) -> None:
        """Do nothing: a dry run needs no credentials."""

    def abort(self, message: str) -> None:
        """Do nothing: writing never waits."""

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Write a batch.

        Args:
            batch: The batch to write.
            stopping: Not called, since writing never waits.

        Raises:
            ConnectorError: The file cannot be written.
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
            go_on: Not called, since nothing is in flight.

        Raises:
            ConnectorError: The last events cannot be written.
        """
        del go_on
        try:
            self._file.close()
        except ConnectorError:
            self.whole = False
            raise
