"""Build the error message of a run that was stopped by a signal. Pure."""

from __future__ import annotations

import signal

from braze_mixpanel.errors import StoppedError


def stopped_error(
    signum: int, *, under_way: int, has_written_state: bool, dry_run: bool
) -> StoppedError:
    """Return the error of a run that was stopped by a signal.

    Args:
        signum: The number of the signal.
        under_way: The number of events without an outcome.
        has_written_state: Whether a STATE was written.
        dry_run: Whether this is a dry run.
    """
    name = signal.Signals(signum).name
    if dry_run:
        return StoppedError(f"Stopped by {name}: the file of the dry run is not complete.")
    outcome = "Every event that was read has its outcome."
    if under_way:
        outcome = f"{under_way} events have no outcome: the next run sends them again."
    covered = "No STATE was written, so the next run starts at the same point as this run."
    if has_written_state:
        covered = (
            "The last STATE covers only the records before it, and Meltano keeps no STATE that "
            "came after the signal."
        )
    return StoppedError(
        f"Stopped by {name}. {outcome} {covered} Run again for the rest: Mixpanel counts an event "
        "once, even if it is sent twice."
    )
