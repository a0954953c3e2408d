"""What a run that a signal has stopped leaves behind, in words. Pure."""

from __future__ import annotations

import signal

from braze_mixpanel.errors import StoppedError


def stopped_error(
    signum: int, *, under_way: int, has_written_state: bool, dry_run: bool
) -> StoppedError:
    """Make the error of a run that a signal has stopped.

    Args:
        signum: The signal.
        under_way: How many events have no outcome.
        has_written_state: Whether a STATE went out.
        dry_run: Whether nothing was sent.
    """
    name = signal.Signals(signum).name
    if dry_run:
        return StoppedError(f"Stopped by {name}: the file of the dry run is not whole.")
    outcome = "Every event that was read has its outcome."
    if under_way:
        outcome = f"{under_way} events have no outcome: the next run sends them again."
    covered = "No STATE was written, so the next run begins where this one did."
    if has_written_state:
        covered = (
            "The last STATE covers what was read before it and no more, and Meltano keeps none "
            "that came after the signal."
        )
    return StoppedError(
        f"Stopped by {name}. {outcome} {covered} Run again for the rest: Mixpanel counts an event "
        "once, also if it is sent twice."
    )
