"""Batches under way to Mixpanel: several at once, each until every event has its outcome."""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Protocol

import msgspec

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError
from braze_mixpanel.http.retry_waits import SharedPause, retry_waits
from target_mixpanel.mapping.event import Event
from target_mixpanel.mapping.rules import MAX_SECONDS_AHEAD
from target_mixpanel.sending.outcomes import (
    OK,
    CredentialsRefused,
    Lasting,
    Retry,
    Settled,
    Split,
    Unknown,
    describe,
    interpret,
)

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Sequence

    from target_mixpanel.sending.batches import Batch
    from target_mixpanel.sending.client import Answer, Credentials

PROBE = msgspec.json.encode(Event("$braze_mixpanel_probe", {}))
"""Without `time` it cannot be imported: Mixpanel answers 400 to good credentials, 401 to bad."""
PROBE_RETRY_SECONDS = 60.0
_WAITING_BATCHES = 2
"""Batches ready beside those under way, so that no sender waits for the reader."""
_LOOK_AROUND_SECONDS = 0.2


def require_good_probe(answer: Answer, credentials: Credentials) -> None:
    """Read the answer to `PROBE`.

    Raises:
        SettingsError: Mixpanel does not know the credentials, or the project is not there; or the
            clocks differ too much.
    """
    if not isinstance(interpret(answer, 1), Settled) or answer.status == OK:
        raise SettingsError(
            f"Mixpanel did not take a test of the credentials: {describe(answer)}. "
            f"Check {credentials.settings}, and that region (or api_url) is where the project's "
            "data live: another region does not know it."
        )
    behind = answer.date - time.time()
    if behind > MAX_SECONDS_AHEAD / 2:
        raise SettingsError(
            f"The clock of this machine is {behind / 60:.0f} minutes behind Mixpanel's: events of "
            "today would be refused as lying in the future. Set the clock."
        )


class Client(Protocol):
    """What delivery needs of a client."""

    url: str
    credentials: Credentials

    def import_events(self, events: Sequence[bytes]) -> Answer:
        """Send events in one request."""


@dataclass(frozen=True)
class Rejection:
    """An event of a batch that Mixpanel refused.

    Attributes:
        index: Its place in the batch.
        reason: Short name for the closing table.
        field: The property at fault, where Mixpanel says so.
        message: Mixpanel's own words.
        status: The HTTP status of the answer.
        attempted_at: When, as ISO 8601 in UTC.
    """

    index: int
    reason: str
    field: str | None
    message: str
    status: int
    attempted_at: str


@dataclass(frozen=True)
class Delivered:
    """A batch whose events all have an outcome: imported, but for the rejections."""

    batch: Batch
    rejections: list[Rejection]


class _Patience:
    """How long one batch is tried again, counted from its first failure."""

    def __init__(self, seconds: float, clock: Callable[[], float], *, limit: str) -> None:
        self._clock = clock
        self._seconds = seconds
        self.limit = f"{seconds:.0f} seconds ({limit})"
        """It in words, with where it comes from."""
        self._deadline: float | None = None

    def covers(self, pause: float) -> bool:
        """Tell whether there is time for a pause of so many seconds."""
        now = self._clock()
        if self._deadline is None:
            self._deadline = now + self._seconds
        return now + pause <= self._deadline


class _Abandoned(Exception):  # noqa: N818 - nothing went wrong with this batch
    """The run stops while this batch still waits to be sent again."""


class Delivery:
    """Sends batches with several threads; results are taken by the thread that submits."""

    def __init__(
        self,
        client: Client,
        *,
        concurrency: int,
        retry_seconds: float,
        logger: logging.Logger,
        waits: Callable[[], Iterator[float]] = retry_waits,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the senders.

        Args:
            client: Sends one request.
            concurrency: Requests in flight at the most.
            retry_seconds: How long one batch is tried again after its first failure.
            logger: Told about each retry.
            waits: Gives the waits between the attempts of one batch.
            clock: Seconds.
        """
        self.retries = 0
        self.in_flight = 0
        self.client = client
        self._retry_seconds = retry_seconds
        self._logger, self._waits, self._clock = logger, waits, clock
        self._pause = SharedPause(clock)
        self._waiting: queue.Queue[Batch | None] = queue.Queue(maxsize=_WAITING_BATCHES)
        self._finished: deque[Delivered] = deque()
        self._failure: BaseException | None = None
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._senders = [
            threading.Thread(target=self._send_batches, name=f"sender-{n}", daemon=True)
            for n in range(concurrency)
        ]
        for sender in self._senders:
            sender.start()

    def check_credentials(self) -> None:
        """Ask Mixpanel, with an event that it cannot import, whether it knows us.

        Raises:
            SettingsError: It does not, or the project is not there.
            TemporaryError: It gave no answer for a minute.
        """
        patience = _Patience(PROBE_RETRY_SECONDS, self._clock, limit="a test of the credentials")
        answer, _ = self._send_until_answered([PROBE], patience)
        require_good_probe(answer, self.client.credentials)

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = lambda: False) -> None:
        """Queue a batch; blocks while enough are under way, which is what bounds the memory.

        Args:
            batch: To be sent.
            stopping: Asked while blocked; when it says so the batch is given up, unsent.

        Raises:
            ConnectorError: What made a sender stop.
        """
        while not stopping():
            self._raise_failure()
            try:
                self._waiting.put(batch, timeout=_LOOK_AROUND_SECONDS)
            except queue.Full:
                continue
            return

    def finished(self) -> Iterator[Delivered]:
        """Take the batches that are done, in the order in which they became so."""
        while self._finished:
            yield self._finished.popleft()

    def drain(self, go_on: Callable[[], bool]) -> None:
        """Wait until all batches are done, or one must not wait any longer.

        Args:
            go_on: Asked several times a second; when it says no, batches under way are given up.

        Raises:
            ConnectorError: What made a sender stop.
        """
        ends = len(self._senders)
        while any(sender.is_alive() for sender in self._senders) and go_on():
            if ends:
                with suppress(queue.Full):
                    self._waiting.put_nowait(None)
                    ends -= 1
                    continue
            busy = next((sender for sender in self._senders if sender.is_alive()), None)
            if busy:
                busy.join(_LOOK_AROUND_SECONDS)
        self._stop.set()
        self._raise_failure()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _send_batches(self) -> None:
        while not self._stop.is_set():
            try:
                batch = self._waiting.get(timeout=_LOOK_AROUND_SECONDS)
            except queue.Empty:
                continue
            if batch is None:
                return
            try:
                self._finished.append(Delivered(batch, self._deliver(batch)))
            except _Abandoned:
                return
            except BaseException as error:  # noqa: BLE001 - raised again by the submitting thread
                self._failure = self._failure or error
                self._stop.set()
                return

    def _deliver(self, batch: Batch) -> list[Rejection]:
        """Send a batch, in halves where it must be, until each event has an outcome."""
        rejections: list[Rejection] = []
        patience = _Patience(self._retry_seconds, self._clock, limit="retry_seconds")
        parts = [(0, len(batch.bodies))]
        while parts:
            start, end = parts.pop()
            answer, outcome = self._send_until_answered(batch.bodies[start:end], patience)
            at = datetime.now(timezone.utc).isoformat()
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
                    raise SettingsError(
                        f"Mixpanel refuses the credentials: {message}. "
                        f"Check {self.client.credentials.settings}, and region."
                    )
                case Unknown(message):
                    raise ConnectorError(
                        f"Mixpanel gave an answer that the target does not know: {message}. "
                        "It stops here, with the STATE of what was settled before."
                    )
        return rejections

    def _send_until_answered(
        self, events: list[bytes], patience: _Patience
    ) -> tuple[Answer, Lasting]:
        """Send, and send again after passing troubles.

        Raises:
            TemporaryError: They did not pass in time.
        """
        message, asked, url = "", 0.0, self.client.url
        for wait in self._waits():
            self._wait(self._pause.remaining())
            answer = self._send(events)
            outcome = interpret(answer, len(events))
            if not isinstance(outcome, Retry):
                return answer, outcome
            message, asked = outcome.message, outcome.seconds
            pause = max(wait, asked)
            if not patience.covers(pause):
                break
            with self._lock:
                self.retries += 1
            self._logger.warning("%s: %s; sending again in %.0f s", url, message, pause)
            self._pause.extend(pause)
        trouble = f"for {patience.limit}"
        if asked > wait:
            trouble = f"with a wait of {asked:.0f} seconds, more than is left of {patience.limit}"
        raise TemporaryError(
            f"{url}: {message}, {trouble}. This run ends here; what Mixpanel has not taken comes "
            "again in the next."
        )

    def _send(self, events: list[bytes]) -> Answer:
        with self._lock:
            self.in_flight += 1
        try:
            return self.client.import_events(events)
        finally:
            with self._lock:
                self.in_flight -= 1

    def _wait(self, seconds: float) -> None:
        """Wait out the shared pause, which may grow meanwhile.

        Raises:
            _Abandoned: The run is stopping.
        """
        while seconds > 0:
            if self._stop.wait(seconds):
                raise _Abandoned
            seconds = self._pause.remaining()


def _reason(field: str | None) -> str:
    return f"rejected by Mixpanel: {field}" if field else "rejected by Mixpanel"
