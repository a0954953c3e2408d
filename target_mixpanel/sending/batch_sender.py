"""The interface of `BatchDelivery` and `DryRun` that the pipeline uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from target_mixpanel.sending.batches import Batch
    from target_mixpanel.sending.delivery import Delivered


class BatchSender(Protocol):
    """A sender takes batches, and returns each batch when all its events have an outcome."""

    @property
    def retries(self) -> int:
        """The number of requests that were retried."""

    @property
    def retries_by_minute(self) -> Mapping[int, int]:
        """Minute of the run → the number of requests that were retried."""

    @property
    def in_flight(self) -> int:
        """The number of requests that are waiting for a response."""

    @property
    def paused_for(self) -> float:
        """The seconds until the next request may start, after a failure. 0 if there is no pause."""

    def check_credentials(self) -> None:
        """Raise if Mixpanel does not accept the credentials. Called before the input is read."""

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = ...) -> None:
        """Take a batch. This may block. If `stopping` returns True, the batch is given up."""

    def finished(self) -> Iterator[Delivered]:
        """Yield each batch whose events all have an outcome, once."""

    def abort(self, message: str) -> None:
        """Send nothing more. Requests in flight end with a `StoppedError` with this message."""

    def drain(self, go_on: Callable[[], bool]) -> None:
        """Wait for the batches in flight while `go_on` returns True. It is called often."""
