"""Give every record its outcome, and write STATE when all records before it have one.

Mapped records come in through one of two methods: `take` for one record of any kind, and
`take_prepared` for many ordinary records that the fast lane has checked. Then:

1. A skipped record is counted. A rejected record is counted and goes to the dead letter. An event
   is added to the open batch (`Batcher`).
2. A full or old batch goes to the sender. `Batcher` numbers the batches in the order of the
   records. The sender may finish them in any order.
3. `settle` counts the outcome of every event of a finished batch. An event that Mixpanel has
   rejected goes to the dead letter.
4. `Ledger` keeps the number of the batch with the last record before each STATE. A STATE is written
   when this batch and all batches before it are settled.

One thread calls all methods: the thread that reads the input.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.clock import SYSTEM_CLOCK, Clock
from braze_mixpanel.errors import run_all
from braze_mixpanel.settings.reading import parse_ratio
from braze_mixpanel.times import EARLIEST_SECONDS
from target_mixpanel.mapping.event import Event, RejectedEvent, SkippedEvent
from target_mixpanel.mapping.rules import (
    IN_THE_FUTURE,
    MAX_SECONDS_AHEAD,
    check_event,
    check_size,
    seconds,
)
from target_mixpanel.run.account import Account
from target_mixpanel.run.ledger import Ledger, State
from target_mixpanel.run.quoted_words import without_values
from target_mixpanel.run.rejection_guard import RejectionGuard
from target_mixpanel.sending.batches import Batch, Batcher, Origin, Source
from target_mixpanel.settings import parse_min_event_time

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from braze_mixpanel.files.dead_letter import DeadLetter
    from target_mixpanel.mapping.fast_lane import Prepared
    from target_mixpanel.run.hot_ids import HotIds
    from target_mixpanel.run.timeline import Timeline
    from target_mixpanel.sending.batch_sender import BatchSender
    from target_mixpanel.sending.delivery import Delivered

GRACE_SECONDS = 60.0
"""How long a stopped run waits for the requests in flight."""
LINGER_SECONDS = 10.0
"""How long events of a slow tap wait for their batch to become full."""

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True)
class PipelineSettings:
    """The settings that the pipeline follows.

    Attributes:
        batch_size: The most events in a batch.
        batch_bytes: The most bytes in a batch.
        min_event_time: Events before this time, in UNIX seconds, are skipped.
        max_rejected_ratio: The run fails if a larger share of the events is rejected.
        dry_run: Whether nothing is sent. Then no STATE is written. An event in the future gets only
            a remark: the output of a dry run must depend on its input, not on the time of day.
        grace_seconds: How long a stopped run waits for the requests in flight.
    """

    batch_size: int
    batch_bytes: int
    min_event_time: float
    max_rejected_ratio: float
    dry_run: bool = False
    grace_seconds: float = GRACE_SECONDS

    @classmethod
    def of(cls, config: Mapping[str, Any], grace_seconds: float) -> PipelineSettings:
        """Read them from the target's settings.

        Args:
            config: The target's settings.
            grace_seconds: How long a stopped run waits for what is in flight.
        """
        return cls(
            batch_size=config["batch_size"],
            batch_bytes=config["batch_bytes"],
            min_event_time=parse_min_event_time(config["min_event_time"]),
            max_rejected_ratio=parse_ratio(config["max_rejected_ratio"]),
            dry_run=config["dry_run"],
            grace_seconds=grace_seconds,
        )


class Pipeline:
    """Check, batch and settle events. Every record is counted with exactly one outcome."""

    def __init__(  # noqa: PLR0913 - each is another part that a test replaces
        self,
        sender: BatchSender,
        dead_letter: DeadLetter,
        write_state: Callable[[State], None],
        settings: PipelineSettings,
        *,
        timeline: Timeline | None = None,
        hot_ids: HotIds | None = None,
        stopping: Callable[[], bool] = lambda: False,
        while_waiting: Callable[[], None] = lambda: None,
        before_first: Callable[[], None] = lambda: None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Connect the parts. This sends and writes nothing.

        Args:
            sender: Sends batches, or writes them in a dry run.
            dead_letter: Takes rejected records.
            write_state: Takes a STATE when it is safe.
            settings: Those of the target.
            timeline: Counts what was imported when, for a report; None if none is wanted.
            hot_ids: Looks for ids with too many events; None if nobody wants to know.
            stopping: Whether a signal has asked the run to stop.
            while_waiting: Called between blocks, and several times a second while batches wait
                for Mixpanel.
            before_first: Called before the first batch is sent.
            clock: For the rules about an event's time, and for waits.
        """
        self.account = Account()
        self.dead_letter = dead_letter
        self.timeline = timeline
        self.has_written_state = False
        """Whether a STATE was written."""
        self.newest_imported = 0.0
        """The time of the newest imported event in UNIX seconds, or 0."""
        self._sender, self._write_state = sender, write_state
        self._while_waiting, self._before_first = while_waiting, before_first
        self._stopping, self._clock, self._grace_seconds = stopping, clock, settings.grace_seconds
        self._batcher = Batcher(
            self._submit,
            max_events=settings.batch_size,
            max_bytes=settings.batch_bytes,
            clock=clock.steady,
            **({"look_at": hot_ids.saw} if hot_ids else {}),
        )
        self._ledger = Ledger()
        self._guard = RejectionGuard(self.account, settings.max_rejected_ratio, dead_letter.where)
        self._min_event_time, self._dry_run = settings.min_event_time, settings.dry_run
        self.has_sent = self._input_ended = False
        self._keeps_state = False
        self._abandoned = False
        self._state_covers = 0.0
        self._give_up_at: float | None = None
        self.earliest = max(EARLIEST_SECONDS, settings.min_event_time)
        """The smallest `time` to send, in UNIX seconds."""
        self._now, self.latest = self._read_clock()
        """`latest` is the greatest `time` to send, in UNIX seconds. It follows the clock."""

    @property
    def state_covers(self) -> float:
        """The time of the newest event before the last written STATE, in UNIX seconds."""
        return self._state_covers

    @property
    def stopped_by_guard(self) -> str | None:
        """The message of the guard that has stopped the run, or None."""
        return self._guard.stopped

    # Records and STATE in

    def take(self, mapped: Event | SkippedEvent | RejectedEvent, origin: Origin) -> None:
        """Take the result of the mapping of one record, and check it against all rules.

        Args:
            mapped: The event, or the reason why there is none.
            origin: The original record, for the dead letter.
        """
        name = mapped.event
        if isinstance(mapped, SkippedEvent):
            self.account.skip(name, mapped.reason)
            return
        self.account.read[name] += 1
        if isinstance(mapped, RejectedEvent):
            self._reject(mapped, origin)
            return
        broken = check_event(mapped, now=self._now, min_event_time=self._min_event_time)
        body = _encode(mapped) if broken is None else b""
        broken = broken or check_size(name, len(body))
        if broken is None:
            event_time = seconds(mapped.properties["time"])
            self._batcher.add(name, event_time, body, origin)
            if self._dry_run and event_time > self.latest:
                self.account.remarks[name, f"{IN_THE_FUTURE}, would be rejected"] += 1
        elif isinstance(broken, SkippedEvent):
            self.account.skipped[name, broken.reason] += 1
        else:
            self._reject(broken, origin)

    def take_prepared(self, prepared: Prepared, source: Source) -> None:
        """Take events that the fast lane has mapped and checked.

        They go directly to the batcher: the fast lane has applied the same rules as `take`, with
        `earliest` and `latest` of this pipeline. Records that break a rule come through `take`.

        Args:
            prepared: The events with their input lines.
            source: The source of the lines, for the dead letter.
        """
        self.account.read.update(prepared.names)
        self._batcher.add_many(prepared, source)

    def keep_state(self) -> None:
        """Write no STATE that arrives after this call.

        Called when a stream cannot be mapped: its records must come again after the settings are
        fixed, so no STATE may cover them.
        """
        self._keeps_state = True

    def state_arrived(self, state: State) -> None:
        """Take a STATE of the tap. It is written when all earlier records have an outcome."""
        if self._keeps_state:
            return
        # The last record before the STATE may be in a batch that is still open. The number of a
        # batch is fixed when it is opened, so the STATE can already wait for it. Records that are
        # added to the batch later delay the STATE a little, which is safe.
        self._ledger.state_arrived(state, last_batch=self._batcher.last_number)

    @property
    def retries(self) -> int:
        """How many requests were sent again."""
        return self._sender.retries

    @property
    def retries_by_minute(self) -> Mapping[int, int]:
        """Minute of the run → the number of requests that were retried."""
        return self._sender.retries_by_minute

    def between_blocks(self) -> None:
        """Submit the open batch if it is old enough, and settle finished batches.

        Called between two blocks of input lines.
        """
        self._now, self.latest = self._read_clock()
        self._batcher.flush(older_than=LINGER_SECONDS)
        self.settle()
        self._while_waiting()

    def _read_clock(self) -> tuple[float, float]:
        """Read the clock once for a block of records.

        Returns:
            The present time for the rules, and the greatest `time` that Mixpanel accepts, both in
            UNIX seconds.
        """
        today = self._clock.wall()
        # With an infinite present time, no event of a dry run is in the future, see
        # `PipelineSettings`.
        return math.inf if self._dry_run else today, today + MAX_SECONDS_AHEAD

    def _reject(self, rejected: RejectedEvent, origin: Origin) -> None:
        self.account.reject(rejected.event, rejected.reason)
        self.account.explanations.setdefault(rejected.reason, rejected.message)
        self._dead_letter(origin, rejected.reason, field=rejected.field, message=rejected.message)

    def _submit(self, batch: Batch) -> None:
        if not self.has_sent:
            self._before_first()
            self.has_sent = True
        self._sender.submit(batch, stopping=self._asked_to_stop)
        self.settle()

    def _asked_to_stop(self) -> bool:
        self._while_waiting()
        return self._stopping()

    # Outcomes and STATE out

    def settle(self) -> None:
        """Count the outcomes of finished batches, then write the newest safe STATE.

        The order matters. After a STATE, the tap never sends the earlier records again. So the dead
        letter must be flushed to the disk first: it holds the only copy of rejected records.

        Raises:
            TooManyRejectedError: More events are rejected than `max_rejected_ratio` allows.
        """
        for delivered in self._sender.finished():
            newest = max(delivered.batch.times)
            self.newest_imported = max(self.newest_imported, newest)
            self._count(delivered)
            self._ledger.batch_settled(delivered.batch.number, newest)
        if self._guard.holds_state_back(input_ended=self._input_ended):
            return  # the ledger keeps the STATE, and it is written later if the ratio falls
        state = self._ledger.take_safe_state()
        if state is not None and not self._dry_run:
            self.dead_letter.flush()
            self._write_state(state)
            self._state_covers = self._ledger.covered
            self.has_written_state = True

    def _count(self, delivered: Delivered) -> None:
        """Count all events of a batch as imported, then correct the count for each rejection."""
        batch = delivered.batch
        self.account.settle(batch.names)
        if self.timeline is not None:
            self.timeline.add(batch.names, batch.times)
        origins = batch.origins() if delivered.rejections else []
        for rejection in delivered.rejections:
            name, event_time = batch.names[rejection.index], batch.times[rejection.index]
            self.account.reject(name, rejection.reason, was_imported=True)
            if rejection.reason not in self.account.explanations:
                source, line = origins[rejection.index]
                words = without_values(rejection.message, source.record_of(line))
                self.account.explanations[rejection.reason] = f'Mixpanel says "{words}"'
            if self.timeline is not None:
                self.timeline.take_back(name, event_time)
            self._dead_letter(
                origins[rejection.index],
                rejection.reason,
                field=rejection.field,
                message=rejection.message,
                status=rejection.status,
                attempted_at=rejection.attempted_at,
            )

    def _dead_letter(self, origin: Origin, reason: str, **details: object) -> None:
        source, line = origin
        self.dead_letter.add(
            source.stream, source.original(line), schema=source.schema, reason=reason, **details
        )

    # The end

    def finish(self, *, abandon_unsent: bool = False) -> None:
        """Deliver the remaining events, and write the last safe STATE.

        A stopped run does not send its open batch, and waits only `grace_seconds` for the batches
        in flight. No STATE covers events that are not sent, so the next run sends them.

        Args:
            abandon_unsent: Handle the run as stopped, because reading has failed.

        Raises:
            ConnectorError: Not all events could be delivered.
        """
        self._abandoned = abandon_unsent
        run_all(self._deliver_rest, self._settle_at_end, self.dead_letter.close)

    def _deliver_rest(self) -> None:
        if not self._is_stopped():
            self._batcher.flush()
        self._sender.drain(self._may_go_on)

    def _settle_at_end(self) -> None:
        self._input_ended = True
        self.settle()

    def _is_stopped(self) -> bool:
        return self._abandoned or self._stopping()

    def _may_go_on(self) -> bool:
        """Settle finished batches, and return whether there is time to wait for the others."""
        self.settle()
        self._while_waiting()
        if self._give_up_at is None:
            if not self._is_stopped():
                return True
            self._give_up_at = self._clock.steady() + self._grace_seconds
        return self._clock.steady() < self._give_up_at
