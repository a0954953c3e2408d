"""The setting `max_rejected_ratio`: when a run fails because too many events are rejected."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import ConnectorError, InputError

if TYPE_CHECKING:
    from target_mixpanel.run.account import Account

FEW_EVENTS: Final = 100
"""Up to this number a ratio says nothing about the mapping. A ratio of 0 needs no number: it says
that no event may be rejected."""
MANY_EVENTS: Final = 5000
"""Up to this number a bad start can still become a good run: STATE waits, the run goes on."""


class TooManyRejectedError(ConnectorError):
    """So many events were rejected that the mapping or the project must be wrong."""

    exit_code = InputError.exit_code


class RejectionGuard:
    """Compares the rejected events with all events of the run.

    One rejected event is a fault in the data: it goes to the dead letter and STATE covers it. Many
    rejected events mean that a setting is wrong. If STATE moved past them, the next run would not
    read them again after the setting is fixed. So STATE must wait while the ratio is too high.
    """

    def __init__(self, account: Account, max_ratio: float, dead_letter_path: object) -> None:
        """Keep what is compared.

        Args:
            account: Counts the events.
            max_ratio: The setting, from 0 to 1.
            dead_letter_path: Where the rejected records are, for the error.
        """
        self._account, self._max_ratio = account, max_ratio
        self._dead_letter_path = dead_letter_path
        self.stopped: str | None = None
        """Why the run was stopped, in one line."""

    def holds_state_back(self, *, input_ended: bool) -> bool:
        """Return whether too many events are rejected so far to let a STATE out.

        Events in flight count as good. Skipped records do not count at all.

        Args:
            input_ended: No more events will come, so a bad start cannot become a good run.

        Raises:
            TooManyRejectedError: The ratio is too high, and enough events were read to be sure.
        """
        rejected, ratio = self._account.rejected_count, self._max_ratio
        # Called after every batch: this line spares the sums over all names in a good run.
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
