"""Delete rows of the inbox that are not needed any more."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from tap_mixpanel_cohorts.inbox.schema import cohorts, deliveries, inbox, members, pages

if TYPE_CHECKING:
    from collections.abc import Callable

_CHUNK_ROWS: Final = 20_000
"""The rows deleted in one transaction. Pages that arrive meanwhile must wait for it."""
_PAUSE_SECONDS: Final = 0.12
"""The pause between two such transactions. SQLite checks a busy lock at least every 0.1 s. Without
a pause, a waiting page could miss every moment in which the lock is free."""
_DAY_SECONDS: Final = 86_400
FEWEST_DAYS: Final = 4
"""Mixpanel sends the complete list after three days without success. Until then, the next export
may show that the last one has failed for Mixpanel and must be undone, see `applying`."""


class Cleaning:
    """Delete exports that never ended, replaced lists, and people who left a cohort long ago."""

    def __init__(
        self,
        engine: sa.Engine,
        keep_days: int,
        now: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Create the cleaning. This opens nothing.

        Args:
            engine: An engine that can write.
            keep_days: How many days rows outside of the current lists are kept. At least
                `FEWEST_DAYS` are used.
            now: Returns UNIX seconds.
            sleep: Waits for a number of seconds.
        """
        self._sleep = sleep
        self._engine = engine
        self._keep_seconds = max(keep_days, FEWEST_DAYS) * _DAY_SECONDS
        self._now = now

    def run(self) -> int:
        """Delete all rows that are not needed any more.

        Returns:
            The number of deleted rows of `members`.

        Raises:
            sqlalchemy.exc.DBAPIError: The database failed. Try again later.
        """
        cutoff = int(self._now()) - self._keep_seconds
        deleted = self._replaced_lists()
        # This reads rows of `deliveries` that `_old_exports` deletes, so it must come first.
        deleted += self._who_left(cutoff)
        return deleted + self._old_exports(cutoff)

    def _replaced_lists(self) -> int:
        current = sa.select(cohorts.c.list_id).where(cohorts.c.list_id.is_not(None))
        replaced = sa.select(deliveries.c.id).where(
            deliveries.c.is_complete, deliveries.c.has_rows, deliveries.c.id.not_in(current)
        )
        deleted = 0
        for number in self._scalars(replaced):
            deleted += self._delete_people(members.c.list_id == number)
            with self._engine.begin() as connection:
                connection.execute(
                    deliveries.update().where(deliveries.c.id == number).values(has_rows=False)
                )
        return deleted

    def _old_exports(self, cutoff: int) -> int:
        """Delete incomplete deliveries without a page since the cutoff, and old complete ones."""
        unfinished = sa.select(deliveries.c.id).where(
            deliveries.c.is_complete.is_(False), deliveries.c.changed_at < cutoff
        )
        deleted = 0
        for number in self._scalars(unfinished):
            # First the delivery, so that a page that arrives now cannot complete it.
            with self._engine.begin() as connection:
                connection.execute(pages.delete().where(pages.c.delivery == number))
                connection.execute(deliveries.delete().where(deliveries.c.id == number))
            deleted += self._delete_people(members.c.list_id == number)
        current = sa.select(cohorts.c.list_id).where(cohorts.c.list_id.is_not(None))
        with self._engine.begin() as connection:
            connection.execute(
                deliveries.delete().where(
                    deliveries.c.is_complete,
                    deliveries.c.has_rows.is_(False),
                    deliveries.c.changed_at < cutoff,
                    deliveries.c.id.not_in(current),
                )
            )
        return deleted

    def _who_left(self, cutoff: int) -> int:
        """Delete the rows of people who left, if the tap has read them or they are too old.

        Rows of the last two exports stay: these exports may still have to be undone.
        """
        with self._engine.begin() as connection:
            passed = connection.scalar(sa.select(inbox.c.passed_sequence)) or 0
            old = connection.scalar(
                sa.select(sa.func.max(deliveries.c.sequence)).where(
                    deliveries.c.changed_at < cutoff
                )
            )
            lists = connection.execute(
                sa.select(
                    cohorts.c.id, cohorts.c.list_id, cohorts.c.session, cohorts.c.previous_session
                ).where(cohorts.c.list_id.is_not(None))
            ).all()
        limit = max(int(passed), int(old or 0))
        deleted = 0
        for number, list_id, session, previous in lists:
            recent = sa.select(deliveries.c.session).where(
                deliveries.c.cohort == number,
                deliveries.c.session.in_((session, previous)),
                deliveries.c.changed_at >= cutoff,
            )
            gone = self._delete_people(
                members.c.list_id == list_id,
                members.c.sequence > 0,
                members.c.sequence <= limit,
                members.c.is_member.is_(False),
                members.c.session.not_in(self._scalars(recent)),
                before=(
                    cohorts.update().where(cohorts.c.id == number).values(purged_sequence=limit)
                ),
            )
            deleted += gone
        return deleted

    def _delete_people(
        self, *conditions: sa.ColumnElement[bool], before: sa.Update | None = None
    ) -> int:
        """Delete rows of people in small transactions. Execute `before` if there are any rows."""
        some = (
            sa.select(members.c.distinct_id)
            .where(*conditions)
            .order_by(members.c.distinct_id)
            .limit(_CHUNK_ROWS)
            .subquery()
        )
        deleted = 0
        while True:
            with self._engine.begin() as connection:
                last = connection.scalar(sa.select(sa.func.max(some.c.distinct_id)))
                if last is None:
                    return deleted
                if before is not None and not deleted:
                    connection.execute(before)
                rows = connection.execute(
                    members.delete().where(*conditions, members.c.distinct_id <= last)
                ).rowcount
            deleted += rows
            if rows < _CHUNK_ROWS:
                return deleted
            self._sleep(_PAUSE_SECONDS)

    def _scalars(self, statement: sa.Select[tuple[int]]) -> list[int]:
        with self._engine.begin() as connection:
            return [int(number) for number in connection.scalars(statement).all()]
