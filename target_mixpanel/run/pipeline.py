"""From a record to its outcome: the parts of the target in the order in which data flow."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from braze_mixpanel.errors import ConnectorError, InputError
from target_mixpanel.mapping.event import Event, Refusal, Skip
from target_mixpanel.mapping.rules import (
    EARLIEST_SECONDS,
    IN_THE_FUTURE,
    MAX_SECONDS_AHEAD,
    check_event,
    check_size,
    seconds,
)
from target_mixpanel.run.account import Account
from target_mixpanel.run.ledger import Ledger, State
from target_mixpanel.sending.batches import Batch, Batcher, Origin, Source

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from braze_mixpanel.files.dead_letter import DeadLetter
    from target_mixpanel.mapping.fast_lane import Prepared
    from target_mixpanel.run.timeline import Timeline
    from target_mixpanel.sending.delivery import Delivered

GRACE_SECONDS = 60.0
"""How long a run that was told to stop may take to finish what is in flight."""
LINGER_SECONDS = 10.0
"""How long events of a slow tap wait for their batch to fill."""
FEW_EVENTS = 100
"""Up to here a ratio says nothing about the mapping."""
MANY_EVENTS = 5000
"""Up to here a bad beginning may become a good run: STATE waits, the run goes on."""


class TooManyRejectedError(ConnectorError):
    """So much was rejected that the mapping or the project must be wrong."""

    exit_code = InputError.exit_code


class Sender(Protocol):
    """What takes batches: delivery, or a dry run."""

    @property
    def retries(self) -> int:
        """How many requests were sent again."""

    @property
    def in_flight(self) -> int:
        """How many requests have no answer at this moment."""

    def check_credentials(self) -> None:
        """Fail, before anything is read, if nothing would be taken."""

    def submit(self, batch: Batch, *, stopping: Callable[[], bool] = ...) -> None:
        """Take a batch."""

    def finished(self) -> Iterator[Delivered]:
        """Give back the batches that are done."""

    def drain(self, go_on: Callable[[], bool]) -> None:
        """Finish what is under way."""


_encode = msgspec.json.Encoder().encode


class Pipeline:
    """Checks, batches and settles; every record ends up in exactly one place of the account."""

    def __init__(
        self,
        sender: Sender,
        dead_letter: DeadLetter,
        write_state: Callable[[State], None],
        *,
        batch_size: int,
        batch_bytes: int,
        min_event_time: float,
        max_rejected_ratio: float,
        dry_run: bool = False,
    ) -> None:
        """Put the parts together.

        Args:
            sender: Delivery or dry run.
            dead_letter: Takes what Mixpanel will not.
            write_state: Passes a safe STATE on to Meltano.
            batch_size: Most events in a batch.
            batch_bytes: Most bytes in a batch.
            min_event_time: UNIX seconds; older events are left out.
            max_rejected_ratio: Above it the run fails.
            dry_run: Nothing is sent, so no STATE is safe, and the one rule that depends on the
                time of day only remarks: what a dry run writes depends on its input alone.
        """
        self.account = Account()
        self.newest_imported = 0.0
        self.timeline: Timeline | None = None
        """What was imported when, counted only where a report is wanted."""
        self.stopping = False
        self._input_ended = False
        self._give_up_at: float | None = None
        self._sender, self.dead_letter, self._write_state = sender, dead_letter, write_state
        self._batcher = Batcher(
            self._submit, max_events=batch_size, max_bytes=batch_bytes, clock=time.monotonic
        )
        self._ledger = Ledger()
        self._min_event_time = min_event_time
        self._max_rejected_ratio = max_rejected_ratio
        self._dry_run = dry_run
        self.earliest = max(EARLIEST_SECONDS, min_event_time)
        """The least `time` that is sent, in UNIX seconds."""
        self._now, self.latest = self._look_at_clock()
        """The greatest is `latest`; it moves on with the clock."""

    def take(self, mapped: Event | Skip | Refusal, origin: Origin) -> None:
        """Take a mapped record on its way.

        Args:
            mapped: What the mapping made of the record.
            origin: The record, for the dead letter.
        """
        name = mapped.event
        if isinstance(mapped, Skip):
            self.account.skip(name, mapped.reason)
            return
        self.account.read[name] += 1
        if isinstance(mapped, Refusal):
            self._refuse(mapped, origin)
            return
        verdict = check_event(mapped, now=self._now, min_event_time=self._min_event_time)
        body = _encode(mapped) if verdict is None else b""
        verdict = verdict or check_size(name, len(body))
        if verdict is None:
            event_time = mapped.properties["time"]
            self._batcher.add(name, seconds(event_time), body, origin)
            if self._dry_run and seconds(event_time) > self.latest:
                self.account.remarks[name, f"{IN_THE_FUTURE}, would be rejected"] += 1
        elif isinstance(verdict, Skip):
            self.account.skipped[name, verdict.reason] += 1
        else:
            self._refuse(verdict, origin)

    def _refuse(self, refusal: Refusal, origin: Origin) -> None:
        self.account.reject(refusal.event, refusal.reason)
        self._bury(origin, refusal.reason, field=refusal.field, message=refusal.message)

    def take_prepared(self, prepared: Prepared, source: Source) -> None:
        """Take events that the fast lane has mapped and checked already.

        Args:
            prepared: The events with their lines.
            source: Where the lines come from, for the dead letter.
        """
        self.account.read.update(prepared.names)
        self._batcher.add_many(prepared, source)

    def state_arrived(self, state: State) -> None:
        """Note a STATE; it is passed on when every record before it has an outcome."""
        self._ledger.state_arrived(state, last_batch=self._batcher.last_number)

    def between_blocks(self) -> None:
        """Do what is due: settle what came back, send what has waited long enough."""
        self._now, self.latest = self._look_at_clock()
        self._batcher.flush(older_than=LINGER_SECONDS)
        self.settle()

    def finish(self) -> None:
        """Deliver everything that was read, and pass the last STATE on.

        Raises:
            ConnectorError: Why not everything could be delivered.
        """
        try:
            if not self.stopping:
                self._batcher.flush()
            self._sender.drain(self._may_go_on)
        finally:
            self._input_ended = True
            try:
                self.settle()
            finally:
                self.dead_letter.close()

    def _may_go_on(self) -> bool:
        """Settle what came back meanwhile, and tell whether there is time for the rest."""
        self.settle()
        if self.stopping and self._give_up_at is None:
            self._give_up_at = time.monotonic() + GRACE_SECONDS
        return self._give_up_at is None or time.monotonic() < self._give_up_at

    def settle(self) -> None:
        """Account for the batches that came back, then pass on the STATE they make safe.

        Raises:
            TooManyRejectedError: Above `max_rejected_ratio`.
        """
        for delivered in self._sender.finished():
            batch = delivered.batch
            self.account.settle(batch.names)
            self.newest_imported = max(self.newest_imported, *batch.times)
            if self.timeline is not None:
                self.timeline.add(batch.names, batch.times)
            for rejection in delivered.rejections:
                self.account.reject(
                    batch.names[rejection.index], rejection.reason, was_imported=True
                )
                if self.timeline is not None:
                    self.timeline.take_back(
                        batch.names[rejection.index], batch.times[rejection.index]
                    )
                self._bury(
                    batch.origins[rejection.index],
                    rejection.reason,
                    field=rejection.field,
                    message=rejection.message,
                    status=rejection.status,
                    attempted_at=rejection.attempted_at,
                )
            self._ledger.batch_settled(batch.number)
        if self._too_many_rejected():
            return
        state = self._ledger.take_safe_state()
        if state is not None and not self._dry_run:
            self.dead_letter.flush()
            self._write_state(state)

    def _look_at_clock(self) -> tuple[float, float]:
        """Look at the clock once for many events.

        Returns:
            What the rules take for the present, and the greatest `time` that Mixpanel takes, in
            UNIX seconds.
        """
        today = time.time()
        return math.inf if self._dry_run else today, today + MAX_SECONDS_AHEAD

    def _submit(self, batch: Batch) -> None:
        self._sender.submit(batch, stopping=lambda: self.stopping)
        self.settle()

    def _bury(self, origin: Origin, reason: str, **details: Any) -> None:  # noqa: ANN401
        source, line = origin
        self.dead_letter.add(
            source.stream, source.original(line), schema=source.schema, reason=reason, **details
        )

    def _too_many_rejected(self) -> bool:
        """Hold what was rejected against what was read; what is under way counts as good.

        Raises:
            TooManyRejectedError: It is too much, and enough was read to say so.
        """
        rejected, ratio = self.account.rejected_count, self._max_rejected_ratio
        if rejected <= ratio * FEW_EVENTS:  # spares the sums over all names
            return False
        meant = self.account.read.total() - self.account.skipped.total()
        if meant <= FEW_EVENTS or rejected <= ratio * meant:
            return False
        if self._input_ended or meant > MANY_EVENTS:
            raise TooManyRejectedError(
                f"{rejected} of {meant} events were rejected, more than "
                f"max_rejected_ratio ({ratio:g}) allows: the mapping or the "
                f"project may be wrong. They are in {self.dead_letter.path}; STATE was held back."
            )
        return True
