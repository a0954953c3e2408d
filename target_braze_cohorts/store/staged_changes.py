"""Compares who is wanted with what Braze holds, in SQL, and queues the changes to send.

Each change waits in a queue of `staged_changes`, and a queue is a number:

    n ≥ 1   the changes of the cohort with the number n
    -n      the removals that empty the known list with the id n, see `emptying_queue`

Two kinds of queue are needed because one cohort can need both: after a rename its members are
added under the new label, and the list under the old label is emptied.

The statements read the generations of `braze_cohort_members`, see `membership`. All states of a
member that need an add are below the list's generation, and -2 (refused, so not in Braze) is the
only one that needs no removal. So `generation < :generation` finds the adds that are due, and
`generation > :refused` the members whom Braze holds or may hold.
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
"""No list has this id: a new cohort is compared with an empty list."""

_QUEUE_ADDS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT wanted.cohort, 0, wanted.identifier
FROM staged_wanted AS wanted LEFT JOIN braze_cohort_members AS known
    ON known.list_id = :list AND known.identifier = wanted.identifier
WHERE wanted.cohort = :cohort AND wanted.removed = 0
    AND (known.generation IS NULL OR known.generation < :generation)
ORDER BY wanted.identifier
"""
# For full lists: a known member who is not in the list has left.
_QUEUE_REMOVALS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 1, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND wanted.identifier IS NULL AND known.generation > :refused
ORDER BY known.identifier
"""
# For changes: a member who is not named stays, unless an earlier run left their removal unsure.
_QUEUE_STATED_REMOVALS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 1, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND known.generation > :refused AND (
    wanted.removed = 1 OR (wanted.identifier IS NULL AND known.generation = :unsure_removal)
)
"""
# For changes: members who are not named, whose add is unsure or due again in a full round.
_QUEUE_DUE_ADDS = """
INSERT INTO staged_changes (queue, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 0, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND wanted.identifier IS NULL
    AND known.generation <> :unsure_removal AND known.generation < :generation
"""
# For changes: members who are not named move to the new label when their cohort is renamed. A
# member may be under several former labels, hence ON CONFLICT.
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
# A refused member who has left needs no removal: Braze never held them. COALESCE covers a refused
# member who is not in the input: with full lists (:changes = 0) they have left, with changes not.
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
    """Queues the changes of one run, once `Staging.settle` has decided who is wanted."""

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
        """Queue what Braze lacks of a cohort, and who has left it.

        Args:
            cohort: The cohort's number, and its queue.
            known: The list in Braze under the cohort's label; None if there is none yet.
            generation: Members acknowledged in an earlier generation are added again.
            former: Lists under the cohort's former labels; they are counted, not emptied.
            by_changes: Whether the input holds the cohort's changes; otherwise its full list, and a
                known member who is not in the input has left.
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
        """Queue the removal of everybody from a list, in its `emptying_queue`.

        Returns:
            How many members these are.
        """
        values = {"queue": emptying_queue(known), "list": known.id, "refused": REFUSED}
        removals = self._run(_QUEUE_EVERYBODY, values)
        self._connection.commit()
        return removals

    def forget_refused(self, cohort: int, known: KnownList, *, by_changes: bool) -> None:
        """Forget the refused members who have left the cohort: Braze never held them."""
        self._run(_FORGET_REFUSED, _values(cohort, known, by_changes=by_changes))
        self._connection.commit()

    def someone_staying(self, cohort: int, known: KnownList) -> str | None:
        """Return a member whom Braze accepted and who stays in the cohort; None if none does."""
        found = self._connection.scalar(
            sa.text(_SOMEONE_STAYING), {"cohort": cohort, "list": known.id}
        )
        self._connection.commit()
        return None if found is None else str(found)

    def pages(self, queue: int, change: Change, size: int) -> Iterator[list[str]]:
        """Yield the identifiers of a queue's changes of one kind, in their order.

        Args:
            queue: A cohort's number, or the `emptying_queue` of a list.
            change: Adds or removals.
            size: Most identifiers in one page.
        """
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
