"""Compare the wanted members with the members in Braze, in SQL, and queue the changes to send.

Each change is in a queue of `staged_changes`. A queue is a number:

    n ≥ 1   the adds and removals of the cohort with the number n
    -n      the removals that empty the known list with the id n, see `emptying_queue`

The sign separates the two kinds of queues, because cohorts and lists are numbered independently and
one cohort can need both kinds: after a rename, its members are added under the new label, and the
list under the old label is emptied.

The statements use the generations in `braze_cohort_members`, see `membership`. A member needs an
add in every state below the list's generation. A member needs no removal only in the state -2
(refused, so not in Braze). So `generation < :generation` finds the adds that are due, and
`generation > :refused` finds the members whom Braze holds or may hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from target_braze_cohorts.planning.changes import Difference
from target_braze_cohorts.store.database import POSTGRESQL
from target_braze_cohorts.store.membership import REFUSED, UNSURE_REMOVAL

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from target_braze_cohorts.planning.changes import Change, KnownList

_NO_LIST: Final = -1
"""An id that no list has, so that a new cohort is compared with an empty list."""

# Wanted members who are not known, or whose add is due. A LEFT JOIN gives NULL for members who are
# not known.
_QUEUE_ADDS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT wanted.cohort, 0, wanted.identifier
FROM staged_wanted AS wanted LEFT JOIN braze_cohort_members AS known
    ON known.list_id = :list AND known.identifier = wanted.identifier
WHERE wanted.cohort = :cohort AND wanted.removed = 0
    AND (known.generation IS NULL OR known.generation < :generation)
ORDER BY wanted.identifier
"""
# For full lists: a known member who is not in the list has left the cohort.
_QUEUE_REMOVALS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 1, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND wanted.identifier IS NULL AND known.generation > :refused
ORDER BY known.identifier
"""
# For changes: a member who is not in the input stays, except if an earlier run sent a removal
# without a response.
_QUEUE_STATED_REMOVALS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 1, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND known.generation > :refused AND (
    wanted.removed = 1 OR (wanted.identifier IS NULL AND known.generation = :unsure_removal)
)
"""
# For changes: members who are not in the input, and whose add has no response or is due again in a
# full round.
_QUEUE_DUE_ADDS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 0, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND wanted.identifier IS NULL
    AND known.generation <> :unsure_removal AND known.generation < :generation
"""
# For changes: when a cohort is renamed, members who are not in the input move to the new label. A
# member may be under several former labels, so ON CONFLICT avoids duplicates.
_QUEUE_CARRIED_ADDS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 0, former.identifier
FROM braze_cohort_members AS former
    LEFT JOIN braze_cohort_members AS known
        ON known.list_id = :list AND known.identifier = former.identifier
    LEFT JOIN staged_wanted AS wanted
        ON wanted.cohort = :cohort AND wanted.identifier = former.identifier
WHERE former.list_id = :former AND former.generation <> :unsure_removal
    AND known.identifier IS NULL AND wanted.identifier IS NULL
ON CONFLICT DO NOTHING
"""
_COUNT_LEAVING = """
SELECT COUNT(*)
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND known.generation > :refused AND (
    wanted.removed = 1 OR (:changes = 0 AND wanted.identifier IS NULL)
)
"""
_QUEUE_EVERYBODY = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:queue AS INTEGER), 1, identifier
FROM braze_cohort_members WHERE list_id = :list AND generation > :refused
"""
# A refused member who has left needs no removal, because Braze never held the member. COALESCE is
# for a refused member who is not in the input. With full lists (:changes = 0) the member has left
# (1 - 0 = 1), with changes the member has not (1 - 1 = 0).
_FORGET_REFUSED = """
DELETE FROM braze_cohort_members
WHERE list_id = :list AND generation = :refused AND COALESCE(
    (SELECT removed FROM staged_wanted AS wanted
    WHERE wanted.cohort = :cohort AND wanted.identifier = braze_cohort_members.identifier),
    1 - :changes
) = 1
"""
_SOMEONE_STAYING = """
SELECT identifier FROM braze_cohort_members AS known
WHERE list_id = :list AND generation > 0 AND NOT EXISTS (
    SELECT 1 FROM staged_changes AS changes WHERE changes.queue = :cohort
    AND changes.removed = 1 AND changes.identifier = known.identifier
) LIMIT 1
"""
_PAGE = """
SELECT identifier FROM staged_changes
WHERE queue = :queue AND removed = :removed AND identifier > :after
ORDER BY identifier LIMIT :size
"""
_ANALYZE = "ANALYZE staged_changes"


def emptying_queue(known: KnownList) -> int:
    """Return the queue of the removals that empty a known list."""
    return -known.id


class StagedChanges:
    """Queue the changes of one run. Use it after `Staging.settle`."""

    def __init__(self, connection: sa.Connection) -> None:
        """Start without changes.

        Args:
            connection: The connection of the membership store and of `Staging`.
        """
        self._connection = connection

    def queue_difference(
        self,
        cohort: int,
        known: KnownList | None,
        generation: int,
        former: Sequence[KnownList],
        *,
        by_changes: bool,
    ) -> Difference:
        """Queue the adds and removals of a cohort.

        Args:
            cohort: The number of the cohort, which is also the number of its queue.
            known: The list under the cohort's label, or None if there is no such list yet.
            generation: Members acknowledged in an earlier generation are added again.
            former: The lists under the cohort's former labels. They are counted, not emptied.
            by_changes: Whether the input holds changes of the cohort. Otherwise it holds the full
                list, and a known member who is not in it has left.

        Returns:
            The numbers of changes.
        """
        values = _values(cohort, known, by_changes=by_changes) | {"generation": generation}
        adds = self._run(_QUEUE_ADDS, values)
        if by_changes:
            adds += self._run(_QUEUE_DUE_ADDS, values)
            for other in former:
                adds += self._run(_QUEUE_CARRIED_ADDS, values | {"former": other.id})
        removals = self._run(_QUEUE_STATED_REMOVALS if by_changes else _QUEUE_REMOVALS, values)
        leaving = sum(self._leaving(cohort, other, by_changes=by_changes) for other in former)
        self._connection.commit()
        return Difference(adds, removals, leaving)

    def queue_everybody(self, known: KnownList) -> int:
        """Queue the removal of all members of a list, in its `emptying_queue`.

        Returns:
            The number of members.
        """
        values = {"queue": emptying_queue(known), "list": known.id, "refused": REFUSED}
        removals = self._run(_QUEUE_EVERYBODY, values)
        self._connection.commit()
        return removals

    def forget_refused(self, cohort: int, known: KnownList, *, by_changes: bool) -> None:
        """Delete the refused members who have left the cohort: Braze never held them."""
        self._run(_FORGET_REFUSED, _values(cohort, known, by_changes=by_changes))
        self._connection.commit()

    def someone_staying(self, cohort: int, known: KnownList) -> str | None:
        """Return a member whom Braze accepted and who stays in the cohort, or None."""
        found = self._connection.scalar(
            sa.text(_SOMEONE_STAYING), {"cohort": cohort, "list": known.id}
        )
        self._connection.commit()
        return None if found is None else str(found)

    def pages(self, queue: int, change: Change, size: int) -> Iterator[list[str]]:
        """Yield the identifiers in a queue, sorted, in pages.

        Args:
            queue: The number of a cohort, or the `emptying_queue` of a list.
            change: Whether to return adds or removals.
            size: The most identifiers in one page.
        """
        # PostgreSQL knows the size of a temporary table only after ANALYZE.
        if self._connection.dialect.name == POSTGRESQL:
            self._run(_ANALYZE, {})
            self._connection.commit()
        after = ""
        while True:
            values = {"queue": queue, "removed": int(change), "after": after, "size": size}
            page = list(self._connection.scalars(sa.text(_PAGE), values))
            self._connection.commit()
            if not page:
                return
            yield page
            after = page[-1]

    def _leaving(self, cohort: int, known: KnownList, *, by_changes: bool) -> int:
        """Count the members of a known list who are not wanted in a cohort."""
        values = _values(cohort, known, by_changes=by_changes)
        return int(self._connection.scalar(sa.text(_COUNT_LEAVING), values) or 0)

    def _run(self, statement: str, values: dict[str, int]) -> int:
        return self._connection.execute(sa.text(statement), values).rowcount


def _values(cohort: int, known: KnownList | None, *, by_changes: bool) -> dict[str, int]:
    return {
        "cohort": cohort,
        "list": known.id if known else _NO_LIST,
        "changes": int(by_changes),
        "unsure_removal": UNSURE_REMOVAL,
        "refused": REFUSED,
    }
