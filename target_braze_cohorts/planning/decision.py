"""Decide what a run may send for each cohort: the removal guards. Pure: counts in, decision out.

A wrong or incomplete list looks like a list that many people have left. So the guards stop a cohort
that would lose too many members, and a person must confirm that the list is right.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass

SECONDS_A_DAY = 86_400


class SyncMode(str, enum.Enum):
    """The setting `sync_mode`."""

    DYNAMIC = "dynamic"
    ONE_TIME = "one_time"


@dataclass(frozen=True, kw_only=True)
class Guards:
    """The limits that stop a cohort before too many people leave it.

    Attributes:
        max_removal_ratio: Largest share of the known members that may leave in one run, 0 to 1.
        allow_empty_cohorts: Whether a cohort may lose its last member.
        minimum: The ratio does not stop a cohort that loses no more people than this in one run.
            One of two is half, and no mistake.
    """

    max_removal_ratio: float
    allow_empty_cohorts: bool
    minimum: int = 0


@dataclass(frozen=True, kw_only=True)
class CohortCounts:
    """The numbers of people of a cohort: in the input, in Braze, and to change.

    Attributes:
        received: Different members in the input.
        without_identifier: Members in `received` without an identifier for Braze.
        known: Members whom Braze holds or may hold.
        to_add: Members to add in Braze.
        to_remove: Known members who have left the cohort.
    """

    received: int = 0
    without_identifier: int = 0
    known: int = 0
    to_add: int = 0
    to_remove: int = 0

    @property
    def becomes_empty(self) -> bool:
        """Whether the cohort has no member left after the run."""
        return not self.to_add and self.to_remove == self.known


@dataclass(frozen=True, kw_only=True)
class Decision:
    """The decision about one cohort.

    Attributes:
        send: Whether changes may be sent.
        remove: Whether removals may be sent.
        finishes: Whether Braze has the complete list afterwards.
        stopped: The reason of the guard that stops the cohort, for the user. None: not stopped.
        note: A note for the user.
        may_empty: Whether the cohort may lose its last member.
    """

    send: bool
    remove: bool
    finishes: bool
    stopped: str | None = None
    note: str = ""
    may_empty: bool = False


INCOMPLETE_NOTE = "list not complete: adds only"
SET_ASIDE_NOTE = "adds only, as records were set aside"


def decide(
    counts: CohortCounts,
    *,
    complete: bool,
    mode: SyncMode,
    delivered: bool,
    guards: Guards,
    somebody_unread: bool = False,
) -> Decision:
    """Decide about one cohort.

    Args:
        counts: The numbers of the cohort.
        complete: Whether there is proof that the list is complete.
        mode: The setting `sync_mode`.
        delivered: Whether Braze once had the complete list.
        guards: The limits.
        somebody_unread: Whether a record of the list could not be read. A person who is missing
            from the list may be the one in that record.

    Returns:
        The decision. A guard stops the whole cohort, its adds too: a list with too many removals
        looks wrong, so its adds cannot be trusted either.
    """
    if mode is SyncMode.ONE_TIME:
        if delivered:
            return Decision(send=False, remove=False, finishes=False, note="delivered before")
        note = "" if complete else INCOMPLETE_NOTE
        return Decision(send=True, remove=False, finishes=complete, note=note)
    if not complete:
        return Decision(send=True, remove=False, finishes=False, note=INCOMPLETE_NOTE)
    if somebody_unread:
        return Decision(send=True, remove=False, finishes=True, note=SET_ASIDE_NOTE)
    stopped = _guard(counts, guards)
    allowed = stopped is None
    return Decision(
        send=allowed,
        remove=allowed,
        finishes=allowed,
        stopped=stopped,
        may_empty=guards.allow_empty_cohorts,
    )


def _guard(counts: CohortCounts, guards: Guards) -> str | None:
    if not counts.to_remove:
        return None
    if counts.becomes_empty:
        return (
            None
            if guards.allow_empty_cohorts
            else "would be empty: allow_empty_cohorts, or allow_removals_for"
        )
    if counts.to_remove <= guards.minimum:
        return None
    ratio = counts.to_remove / counts.known
    if ratio > guards.max_removal_ratio:
        return (
            f"would lose {counts.to_remove} of {counts.known}: "
            f"max_removal_ratio {guards.max_removal_ratio:g}, or allow_removals_for"
        )
    return None


def vanished_guard(leaving: int, known: int, guards: Guards) -> str | None:
    """Decide about all cohorts that are no longer in the source, together.

    Args:
        leaving: Their known members, without those of cohorts that no guard counts for.
        known: The known members of all cohorts.
        guards: The limits; `allow_empty_cohorts` does not apply to cohorts that are gone.

    Returns:
        Why they must not be emptied, for the user; None if they may be.
    """
    if leaving <= max(guards.minimum, guards.max_removal_ratio * known):
        return None
    return (
        f"no longer in the source, with {leaving} of all {known} known members: "
        f"max_removal_ratio {guards.max_removal_ratio:g}, or allow_removals_for"
    )


def resync_due(resynced_at: int, now: int, days: int) -> bool:
    """Return whether it is time to send all adds again.

    Braze silently ignores ids that it does not know yet. Such a user enters the cohort only when
    the add is sent again.

    Args:
        resynced_at: When the last full round began, in UNIX seconds.
        now: The present time in UNIX seconds.
        days: The setting `full_resync_days`.
    """
    return now - resynced_at >= days * SECONDS_A_DAY
