"""Files and listings that cannot be read: each is logged at once, and raised when the run ends."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import ConnectorError, InputError
from tap_braze_currents.formats.errors import BrokenFileError

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger("tap-braze-currents")

_MOST_NAMED: Final = 100
"""Files that a run names: a bucket may hold thousands that cannot be read."""


class FileFailures:
    """The errors of one run. None of them ends the run before the other files are read."""

    def __init__(self, most_in_a_row: int) -> None:
        """Start without errors.

        Args:
            most_in_a_row: After so many files that cannot be fetched, the run is hopeless.
        """
        self.errors: list[ConnectorError] = []
        self._most_in_a_row, self._in_a_row = most_in_a_row, 0

    @property
    def is_hopeless(self) -> bool:
        """Whether so many files in a row could not be fetched that the service must be down."""
        return self._in_a_row >= self._most_in_a_row

    def file_was_read(self) -> None:
        """Note that the service gives out files."""
        self._in_a_row = 0

    def note(self, error: ConnectorError) -> None:
        """Log an error now, and keep it to raise it at the end of the run."""
        self.errors.append(error)
        if len(self.errors) <= _MOST_NAMED:
            logger.warning("%s", error)
        elif len(self.errors) == _MOST_NAMED + 1:
            logger.warning("More files cannot be read. They are not logged.")

    def note_file(self, path: str, error: Exception, *, is_pending: bool) -> None:
        """Note why a file was not read to its end, and count those that cannot be fetched.

        Args:
            path: The file.
            error: What fetching or decoding it ended with.
            is_pending: Whether an earlier run could not read it either: that counts for nothing.
        """
        if isinstance(error, ConnectorError) and not isinstance(error, BrokenFileError):
            self._in_a_row += not is_pending
            self.note(error)
            return
        is_known = isinstance(error, BrokenFileError)
        why = error if is_known else f"it cannot be decoded ({type(error).__name__})"
        self.note(InputError(f"{path}: {why}. The next run tries it again."))

    def error(self) -> ConnectorError | None:
        """Return what the run must fail with; None if everything was read."""
        if not self.errors:
            return None
        return self.errors[0] if len(self.errors) == 1 else _sum_up(self.errors)


def _sum_up(errors: Sequence[ConnectorError]) -> ConnectorError:
    """Combine several errors into one. It has their class if all have the same class.

    The class decides the exit code: if every error is temporary, the run can be tried again later.
    """
    message = f"{len(errors)} files or folders could not be read. See the log lines above. "
    classes = {type(error) for error in errors}
    if len(classes) == 1 and not isinstance(errors[0], InputError):
        return type(errors[0])(f"{message}The first: {errors[0]}")
    return InputError(f"{message}All others were read. The next run reads these again.")
