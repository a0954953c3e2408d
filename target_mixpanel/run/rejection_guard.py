"""Stop a run if too many events are rejected: the setting `max_rejected_ratio`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import ConnectorError, InputError

if TYPE_CHECKING:
    from target_mixpanel.run.account import Account

FEW_EVENTS: Final = 100
"""Up to this number of events a ratio is not meaningful. A ratio of 0 always is: it means that no
event may be rejected."""
MANY_EVENTS: Final = 5000
"""Up to this number of events the ratio may still fall: STATE waits, and the run goes on."""


class TooManyRejectedError(ConnectorError):
    """Too many events were rejected: the mapping or the project must be wrong."""

    exit_code = InputError.exit_code


class RejectionGuard:
    """Compare the number of rejected events with all events of the run.

    A single rejected event is an error in the data: it goes to the dead letter, and STATE covers
    it. Many rejected events mean that a setting is wrong. If STATE covered them, the next run would
    not read them again after the setting is fixed. So STATE waits while the ratio is too high.
    """

    def __init__(self, account: Account, max_ratio: float, dead_letter_path: object) -> None:
        """Create the guard.

        Args:
            account: The counts of the run.
            max_ratio: The setting `max_rejected_ratio`, from 0 to 1.
            dead_letter_path: The path of the dead letter, for the error message.
        """
        self._account, self._max_ratio = account, max_ratio
        self._dead_letter_path = dead_letter_path
        self.stopped: str | None = None
        """The error message, once the guard has stopped the run."""

    def holds_state_back(self, *, input_ended: bool) -> bool:
        """Return whether the ratio is too high to write a STATE.

        Events in flight count as accepted. Skipped records do not count.

        Args:
            input_ended: Whether no more events will come, so that the ratio cannot fall any more.

        Raises:
            TooManyRejectedError: The ratio is too high, and enough events were read to be sure.
        """
        rejected, ratio = self._account.rejected_count, self._max_ratio
        # This method is called after every batch. In a good run, this line avoids the sums below.
        if rejected <= ratio * FEW_EVENTS:
            return False
        events = self._account.read.total() - self._account.skipped.total()
        if (ratio and events <= FEW_EVENTS) or rejected <= ratio * events:
            return False
        if input_ended or events > MANY_EVENTS:
            self.stopped = (
                f"{rejected} of {events} events were rejected, more than "
                f"max_rejected_ratio ({ratio:g}) allows: the mapping or the "
                f"project may be wrong. They are in {self._dead_letter_path}; STATE was held back."
            )
            raise TooManyRejectedError(self.stopped)
        return True
