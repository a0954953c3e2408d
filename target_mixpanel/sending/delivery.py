"""Deliver batches to Mixpanel: several in parallel, each until all its events have an outcome.

The thread that reads the input calls `submit` and `finished`. Sender threads take batches from the
queue, send them, and put the results into `_finished`. An error in a sender stops all senders, and
the next call of `submit` or `drain` raises it.
"""

from __future__ import annotations

import threading
from collections import deque
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from braze_mixpanel.errors import ConnectorError, SettingsError, StoppedError, TemporaryError
from braze_mixpanel.http.adaptive_concurrency import AdaptiveGate, ConcurrencyLimit
from braze_mixpanel.http.credentials_check import probe_before_run
from braze_mixpanel.http.failures import credentials_refused, unreachable
from braze_mixpanel.http.retry_waits import retry_waits
from braze_mixpanel.http.send_loop import CountedRequests, Patience, SendLoop, TryAgain
from target_mixpanel.mapping.event import Event
from target_mixpanel.mapping.rules import MAX_SECONDS_AHEAD
from target_mixpanel.sending.batch_queue import MOST_BYTES_HELD, BatchQueue
from target_mixpanel.sending.client import ADDRESS_SETTINGS
from target_mixpanel.sending.outcomes import (
    NO_ANSWER,
    OK,
    CredentialsRefused,
    FinalOutcome,
    Retry,
    Settled,
    Split,
    Unknown,
    describe,
    interpret,
)
from target_mixpanel.sending.request_body import pack

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator

    from braze_mixpanel.clock import Clock
    from target_mixpanel.sending.batches import Batch
    from target_mixpanel.sending.client import MixpanelAnswer
    from target_mixpanel.sending.credentials import Credentials

PROBE = pack(msgspec.json.encode(Event("$braze_mixpanel_probe", {})))
"""An event without `time`, which Mixpanel cannot import. Mixpanel answers 400 if the credentials
are right, and 401 if they are wrong."""
FIRST_CONCURRENCY: Final = 16
"""The requests in flight at the start. Source: Mixpanel advises 10 to 20 concurrent clients."""
_LOOK_AROUND_SECONDS = 0.2


def require_good_probe(answer: MixpanelAnswer, credentials: Credentials, now: float) -> None:
    """Raise if the response to `PROBE` shows that events cannot be imported.

    Args:
        answer: Mixpanel's response.
        credentials: The credentials that were sent.
        now: When the response came, in UNIX seconds.

    Raises:
        SettingsError: Mixpanel does not accept the credentials, the project does not exist, or the
            clock of this machine is wrong.
    """
    if not isinstance(interpret(answer, 1), Settled) or answer.status == OK:
        raise credentials_refused(
            "Mixpanel",
            describe(answer),
            credentials=credentials.settings,
            address=ADDRESS_SETTINGS,
        )
    behind = answer.date - now
    if behind > MAX_SECONDS_AHEAD / 2:
        raise SettingsError(
            f"The clock of this machine is {behind / 60:.0f} minutes behind Mixpanel's: events of "
            "today would be rejected as events in the future. Set the clock."
        )


class ImportClient(Protocol):
    """The parts of a client that the delivery uses."""

    url: str
    credentials: Credentials

    def import_events(self, body: bytes) -> MixpanelAnswer:
        """Send the events of a body in one request."""

    def abort(self) -> None:
        """End the requests in flight."""


@dataclass(frozen=True)
class Rejection:
    """An event of a batch that Mixpanel rejected.

    Attributes:
        index: The index of the event in the batch.
        reason: A short name for the closing table.
        field: The wrong property, if Mixpanel names it.
        message: Mixpanel's message.
        status: The HTTP status of the response.
        attempted_at: The time of the response, as ISO 8601 in UTC.
    """

    index: int
    reason: str
    field: str | None
    message: str
    status: int
    attempted_at: str


@dataclass(frozen=True)
class Delivered:
    """A batch whose events all have an outcome. All were imported except for the rejections."""

    batch: Batch
    rejections: list[Rejection]


class BatchDelivery(CountedRequests):
    """Sends batches with several threads; the thread that submits takes the results."""

    def __init__(
        self,
        client: ImportClient,
        *,
        concurrency: int,
        retry_seconds: float,
        logger: logging.Logger,
        clock: Clock,
        waits: Callable[[], Iterator[float]] = retry_waits,
        most_bytes: int = MOST_BYTES_HELD,
    ) -> None:
        """Create the delivery. Threads start when batches wait for them.

        Args:
            client: Sends one request.
            concurrency: The most requests in flight. The actual number adapts to the responses.
            retry_seconds: How many seconds one batch is retried after its first failure.
            logger: Logs each retry.
            clock: The clock for waits and dates.
            waits: Returns the waits in seconds between the attempts of one request.
            most_bytes: The most bytes of all batches in memory, see `MOST_BYTES_HELD`.
        """
        self.client = client
        self._clock = clock
        self._retry_seconds = retry_seconds
        self._gate = AdaptiveGate(ConcurrencyLimit(concurrency, FIRST_CONCURRENCY))
        loop = SendLoop(
            client.url,
            logger=logger,
            waits=waits,
            clock=clock.steady,
            sleep=clock.sleep,
            gate=self._gate,
        )
        super().__init__(loop)
        self._queue = BatchQueue(most_bytes)
        self._finished: deque[Delivered] = deque()
        self._failure: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._starting = threading.Lock()

    def check_credentials(self) -> None:
        """Check whether Mixpanel accepts the credentials, with an event that it cannot import.

        Raises:
            SettingsError: Mixpanel rejects the credentials, or the project does not exist.
            TemporaryError: Mixpanel did not respond for a minute.
        """
        answer = probe_before_run(
            self._loop,
            lambda: self.client.import_events(PROBE),
            lambda got: self._judge(got, 1),
            self._retry_seconds,
        )
        require_good_probe(answer, self.client.credentials, self._clock.wall())

    def abort(self, message: str) -> None:
        """Send nothing more, and end the requests in flight. A signal handler may call this.

        Args:
            message: The message of the `StoppedError` that waiting threads raise.
        """
        self._loop.stop(message)
        self.client.abort()

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Add a batch to the queue. This blocks while the queue is full, which bounds the memory.

        Args:
            batch: The batch to send.
            stopping: Called while waiting. If it returns True, the batch is given up.

        Raises:
            ConnectorError: A sender has failed.
        """
        while not stopping():
            self._raise_failure()
            is_taken = self._queue.put(batch, _LOOK_AROUND_SECONDS)
            self._start_sender()
            if is_taken:
                return

    def finished(self) -> Iterator[Delivered]:
        """Yield the finished batches in the order in which they were finished."""
        while self._finished:
            yield self._finished.popleft()

    def drain(self, go_on: Callable[[], bool]) -> None:
        """Wait until all batches are finished, or until the time is over.

        Args:
            go_on: Called several times a second. If it returns False, batches in flight are given
                up.

        Raises:
            ConnectorError: A sender has failed.
        """
        self._queue.close()
        while go_on():
            busy = next((thread for thread in self._threads if thread.is_alive()), None)
            if busy is None:
                break
            busy.join(_LOOK_AROUND_SECONDS)
        self._loop.stop("The run has ended.")
        self._raise_failure()

    def _start_sender(self) -> None:
        """Start one more thread if a batch waits for a sender and the limit allows it."""
        with self._starting:
            if self._queue.lacks_senders and len(self._threads) < self._gate.limit:
                name = f"sender-{len(self._threads)}"
                thread = threading.Thread(target=self._send_batches, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _send_batches(self) -> None:
        while not (self._loop.is_stopped or self._queue.has_ended):
            batch = self._queue.take(_LOOK_AROUND_SECONDS)
            if batch is None:
                continue
            try:
                self._finished.append(Delivered(batch, self._deliver(batch)))
            except StoppedError:  # from `drain`, or because another sender has failed
                return
            except BaseException as error:  # noqa: BLE001 - raised again by the submitting thread
                self._failure = self._failure or error
                self._loop.stop("Another sender has failed.")
                return
            self._queue.settled(batch)
            self._start_sender()  # the answer may have raised the limit

    def _deliver(self, batch: Batch) -> list[Rejection]:
        """Send a batch until each event has an outcome, and return the rejected events.

        If Mixpanel refuses a request as a whole, it is not known which event is the cause. Then the
        two halves are sent, and so on, until the refused part is a single event. `parts` is the
        stack of parts that are still to be sent.
        """
        rejections: list[Rejection] = []
        patience = Patience(self._retry_seconds, "retry_seconds")
        parts = [(0, len(batch))]
        while parts:
            start, end = parts.pop()
            answer, outcome = self._send(batch.body(start, end), end - start, patience)
            at = datetime.fromtimestamp(self._clock.wall(), timezone.utc).isoformat()
            match outcome:
                case Settled(failures):
                    rejections += [
                        Rejection(
                            start + failure.index,
                            _reason(failure.field),
                            failure.field,
                            failure.message,
                            answer.status,
                            at,
                        )
                        for failure in failures
                    ]
                case Split(message) if end - start == 1:
                    rejections.append(
                        Rejection(
                            start, f"refused: {answer.status}", None, message, answer.status, at
                        )
                    )
                case Split():
                    middle = (start + end) // 2
                    parts += [(middle, end), (start, middle)]
                case CredentialsRefused(message):
                    raise credentials_refused(
                        "Mixpanel",
                        message,
                        credentials=self.client.credentials.settings,
                        address=ADDRESS_SETTINGS,
                    )
                case Unknown(message):
                    raise ConnectorError(
                        f"Mixpanel gave an unknown answer: {message}. The run ends here. STATE "
                        "covers the events before it."
                    )
        return rejections

    def _send(
        self, body: bytes, sent: int, patience: Patience
    ) -> tuple[MixpanelAnswer, FinalOutcome]:
        """Send a body with `sent` events, and retry after temporary failures."""
        answer = self._loop.send(
            lambda: self.client.import_events(body),
            judge=lambda got: self._judge(got, sent),
            patience=patience,
        )
        outcome = interpret(answer, sent)
        assert not isinstance(outcome, Retry)
        return answer, outcome

    def _judge(self, answer: MixpanelAnswer, sent: int) -> TryAgain | None:
        outcome = interpret(answer, sent)
        if not isinstance(outcome, Retry):
            return None

        def failure(how_long: str) -> TemporaryError:
            result = "The run ends here. The next run sends the events that were not imported."
            what = f"{outcome.message}, {how_long}"
            if answer.status == NO_ANSWER:
                return unreachable(self.client.url, what, address=ADDRESS_SETTINGS, result=result)
            return TemporaryError(f"{self.client.url}: {what}. {result}")

        return TryAgain(outcome.message, outcome.seconds, failure)


def _reason(field: str | None) -> str:
    return f"rejected by Mixpanel: {field}" if field else "rejected by Mixpanel"
