"""Decide when a STATE message is due, so that STATE takes only a small share of the run."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from tap_braze_currents.run.conditions import RunConditions


class StatePace:
    """Measure the time and bytes of each STATE message, and delay the next one accordingly.

    With many files in open hours, STATE is large, and every program downstream must process it too.
    So the next STATE waits until the cost of the last one is a small share of the run since then.
    """

    def __init__(
        self, conditions: RunConditions, bytes_written: Callable[[], int], begun_at: float
    ) -> None:
        """Start to measure.

        Args:
            conditions: The timer and the limits.
            bytes_written: Returns how many bytes have been written to standard output.
            begun_at: When the run began, by the timer.
        """
        self._conditions = conditions
        self._bytes_written = bytes_written
        self._last = begun_at
        self._bytes_at_last = bytes_written()
        self._cost_seconds = 0.0
        self._cost_bytes = 0
        self._records = 0

    def add_records(self, count: int) -> None:
        """Count records that were written."""
        self._records += count

    def is_due(self) -> bool:
        """Return whether a STATE message should be written now."""
        conditions = self._conditions
        seconds = conditions.timer() - self._last
        if (
            self._records < conditions.records_between_states
            and seconds < conditions.seconds_between_states
        ):
            return False
        if seconds >= conditions.most_seconds_without_state:
            return True
        written = self._bytes_written() - self._bytes_at_last
        share = conditions.most_state_share
        return self._cost_seconds <= share * seconds and self._cost_bytes <= share * written

    def write(self, emit: Callable[[], None]) -> None:
        """Call `emit`, and measure its time and bytes."""
        begin, before = self._conditions.timer(), self._bytes_written()
        emit()
        self._last, self._bytes_at_last = self._conditions.timer(), self._bytes_written()
        self._cost_seconds = self._last - begin
        self._cost_bytes = self._bytes_at_last - before
        self._records = 0
