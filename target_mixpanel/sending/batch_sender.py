"""What the pipeline needs of the part that takes its batches: `BatchDelivery`, or `DryRun`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_mixpanel.sending.batches import Batch
    from target_mixpanel.sending.delivery import Delivered


class BatchSender(Protocol):
    """Takes batches, and returns each one when all its events have an outcome."""

    @property
    def retries(self) -> int:
        """How many requests were sent again."""

    @property
    def retries_by_minute(self) -> Mapping[int, int]:
        """Minute of the run → how many requests were sent again."""

    @property
    def in_flight(self) -> int:
        """How many requests have no answer at this moment."""

    @property
    def paused_for(self) -> float:
        """For how many seconds nothing is sent, after a failure."""

    def check_credentials(self) -> None:
        """Raise an error, before anything is read, if Mixpanel would accept nothing."""

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = ...) -> None:
        """Take a batch. May block; gives the batch up when `stopping` returns true."""

    def finished(self) -> Iterator[Delivered]:
        """Yield the batches whose events all have an outcome, each once."""

    def abort(self, message: str) -> None:
        """Send nothing more, and end what is under way with a `StoppedError` of this message."""

    def drain(self, go_on: Callable[[], bool]) -> None:
        """Wait for the batches in flight as long as `go_on`, asked often, returns true."""
