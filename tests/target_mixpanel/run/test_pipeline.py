"""When the pipeline does what is due, by a clock that the test sets."""

from __future__ import annotations

import pytest

from braze_mixpanel.clock import Clock
from braze_mixpanel.files.dead_letter import DeadLetter
from target_mixpanel.mapping.event import Event
from target_mixpanel.run.pipeline import LINGER_SECONDS, Pipeline, PipelineSettings
from target_mixpanel.sending.batches import Source
from target_mixpanel.sending.delivery import Delivered
from tests.target_mixpanel.harness import SCHEMA, STREAM, TIME

ORIGIN = (Source(STREAM, SCHEMA, whole_messages=False), b"{}")


class SetClock:
    """Both clocks, moved on by the test."""

    def __init__(self) -> None:
        self.seconds = float(TIME)

    def __call__(self) -> float:
        return self.seconds


class InstantSender:
    """Imports every batch at once, or keeps all of them in flight."""

    retries = 0

    def __init__(self, *, finishes: bool = True) -> None:
        self.submitted: list = []
        self.in_flight = 0
        self.finishes = finishes
        self.asked = 0

    def check_credentials(self) -> None:
        pass

    def submit(self, batch, *, stopping=lambda: False) -> None:
        self.submitted.append(batch)

    def finished(self):
        if self.finishes:
            taken, self.submitted = self.submitted, []
            yield from (Delivered(batch, []) for batch in taken)

    def drain(self, go_on) -> None:
        while not self.finishes and go_on():
            self.asked += 1


def event(number: int, time: float = TIME) -> Event:
    return Event("Open", {"time": time, "distinct_id": "a", "$insert_id": f"event-{number}"})


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
def states() -> list:
    return []


def make(tmp_path, states, clock, sender, **changes):
    settings = PipelineSettings(2000, 2_000_000, 0.0, 0.1, grace_seconds=5.0)
    return Pipeline(
        sender,
        DeadLetter(tmp_path, "test"),
        states.append,
        settings,
        clock=Clock(clock, clock),
        **changes,
    )


def test_events_of_a_slow_tap_wait_ten_seconds_for_their_batch_to_fill(
    tmp_path, states, clock
) -> None:
    pipeline = make(tmp_path, states, clock, InstantSender())
    pipeline.take(event(1), ORIGIN)
    pipeline.state_arrived({"read": 1})
    clock.seconds += LINGER_SECONDS - 1
    pipeline.between_blocks()
    assert states == []
    clock.seconds += 1
    pipeline.between_blocks()
    assert states == [{"read": 1}]


def test_the_limit_of_an_hour_ahead_moves_on_with_the_clock(tmp_path, states, clock) -> None:
    pipeline = make(tmp_path, states, clock, InstantSender())
    pipeline.take(event(1, TIME + 3601), ORIGIN)
    clock.seconds += 1
    pipeline.between_blocks()
    pipeline.take(event(2, TIME + 3601), ORIGIN)
    assert pipeline.account.rejected == {("Open", "time in the future"): 1}
    assert pipeline.account.under_way == 1
    pipeline.finish()


def test_a_stopped_run_waits_only_its_grace_period_and_sends_nothing_new(
    tmp_path, states, clock
) -> None:
    sender = InstantSender(finishes=False)

    def stopping() -> bool:
        clock.seconds += 1
        return True

    pipeline = make(tmp_path, states, clock, sender, stopping=stopping)
    pipeline.take(event(1), ORIGIN)
    pipeline.state_arrived({"read": 1})
    before = clock.seconds
    original = sender.finished

    def finished():
        clock.seconds += 1
        return original()

    sender.finished = finished
    pipeline.finish()
    assert sender.submitted == []
    assert 5 <= clock.seconds - before <= 10
    assert states == []


def test_the_state_of_a_dry_run_is_never_written(tmp_path, states, clock) -> None:
    settings = PipelineSettings(2000, 2_000_000, 0.0, 0.1, dry_run=True)
    pipeline = Pipeline(InstantSender(), DeadLetter(tmp_path, "test"), states.append, settings)
    pipeline.take(event(1), ORIGIN)
    pipeline.state_arrived({"read": 1})
    pipeline.finish()
    assert pipeline.account.imported.total() == 1
    assert states == []
