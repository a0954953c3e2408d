"""STATE goes out by its own cost."""

from __future__ import annotations

import pytest

from tap_braze_currents.run.conditions import RunConditions
from tap_braze_currents.run.state_pace import StatePace


class Output:
    """A clock and a count of bytes that move as the test says."""

    def __init__(self, state_seconds, state_bytes):
        self.now = 0.0
        self.bytes = 0
        self.states = 0
        self._state = (state_seconds, state_bytes)
        self.pace = StatePace(RunConditions(timer=lambda: self.now), lambda: self.bytes, 0.0)

    def emit(self):
        self.now += self._state[0]
        self.bytes += self._state[1]
        self.states += 1

    def run(self, seconds, records_a_second, bytes_a_second):
        begin = self.now
        while self.now < begin + seconds:
            self.now += 0.1
            self.bytes += int(0.1 * bytes_a_second)
            self.pace.add_records(int(0.1 * records_a_second))
            if self.pace.is_due():
                self.pace.write(self.emit)


@pytest.mark.parametrize(
    ("state_seconds", "state_bytes"), [(0.25, 1_700_000), (0.25, 1000), (0.0, 1_700_000)]
)
def test_a_large_state_takes_a_small_part_of_time_and_output(state_seconds, state_bytes):
    output = Output(state_seconds, state_bytes)
    output.run(600, records_a_second=40_000, bytes_a_second=20_000_000)

    assert output.states * state_seconds < 0.03 * output.now
    assert output.states * state_bytes < 0.03 * output.bytes
    assert output.states >= output.now / 60 - 1


def test_a_small_state_goes_out_every_few_seconds():
    output = Output(0.001, 2000)
    output.run(60, records_a_second=100, bytes_a_second=100_000)

    assert 15 <= output.states <= 20


def test_a_slow_run_with_a_large_state_still_writes_one_a_minute():
    output = Output(0.25, 1_700_000)
    output.run(600, records_a_second=10, bytes_a_second=5000)

    assert 9 <= output.states <= 12
