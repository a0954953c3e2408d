"""Store pages of pushes, and apply a list or difference when its last page has arrived."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final

import sqlalchemy as sa

from tap_mixpanel_cohorts.inbox import applying
from tap_mixpanel_cohorts.inbox.database import POSTGRESQL
from tap_mixpanel_cohorts.inbox.schema import cohorts, deliveries, members, pages

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from tap_mixpanel_cohorts.inbox.push import Push

STORED: Final = "stored"
KNOWN: Final = "known already"
_DELIVERIES_LOCK: Final = 590_711
"""The first half of the advisory lock for creating deliveries. The second half is the cohort."""

_INSERT = {
    dialect: f"INSERT INTO members (list_id, distinct_id, properties, page, is_member, sequence, "  # noqa: S608 - constants
    f"session, was_member) VALUES ({', '.join([mark] * 4)}, {yes}, 0, 0, {no}) "
    "ON CONFLICT (list_id, distinct_id) DO UPDATE SET properties = excluded.properties, "
    "page = excluded.page"
    for dialect, mark, yes, no in (("sqlite", "?", 1, 0), (POSTGRESQL, "%s", "true", "false"))
}


class Intake:
    """Store pushes in the database. Several threads and processes may do so at the same time."""

    def __init__(self, engine: sa.Engine, now: Callable[[], float] = time.time) -> None:
        """Create the intake. This opens nothing.

        Args:
            engine: An engine that can write.
            now: Returns UNIX seconds.
        """
        self._engine = engine
        self._now = now

    def store(self, push: Push) -> str:
        """Store a page in one transaction. It is committed when this method returns.

        Args:
            push: The page. Pages may come twice, in any order, and at the same time.

        Returns:
            `STORED`, or `KNOWN` if the page is already stored, or the outcome of the delivery that
            the page has completed, see `applying.complete`.

        Raises:
            sqlalchemy.exc.DBAPIError: The database failed. Nothing is stored.
        """
        with self._engine.begin() as connection:
            cohort = self._cohort(connection, push)
            delivery = self._delivery(connection, cohort, push)
            if delivery.is_complete:
                return KNOWN
            if not self._store_page(connection, delivery.id, push):
                return KNOWN
            count = connection.scalar(
                sa.select(sa.func.count()).where(pages.c.delivery == delivery.id)
            )
            if count != push.total_pages:
                return STORED
            return applying.complete(connection, cohort, delivery, push)

    def _cohort(self, connection: sa.Connection, push: Push) -> int:
        chosen = sa.select(cohorts.c.id).where(
            cohorts.c.project_id == push.project_id, cohorts.c.cohort_id == push.cohort_id
        )
        number = connection.scalar(chosen)
        if number is None:
            applying.insert_once(
                connection,
                cohorts,
                project_id=push.project_id,
                cohort_id=push.cohort_id,
                name=push.name,
                description=push.description,
            )
            number = connection.scalar(chosen)
        return int(number or 0)

    def _delivery(self, connection: sa.Connection, cohort: int, push: Push) -> sa.Row[Any]:
        """Return the delivery of a page, created if it is missing.

        On PostgreSQL the row is locked until the commit, so that the pages of one delivery are
        stored one after the other. SQLite allows only one writer anyway.
        """
        chosen = (
            sa.select(deliveries)
            .where(
                deliveries.c.cohort == cohort,
                deliveries.c.session_id == push.session_id,
                deliveries.c.action == push.action,
                deliveries.c.total_pages == push.total_pages,
            )
            .with_for_update()
        )
        found = connection.execute(chosen).first()
        if found is None:
            if connection.dialect.name == POSTGRESQL:
                # Create the deliveries of a cohort one at a time, so that both actions of an export
                # see each other and get the same session number. This is a separate lock to avoid a
                # deadlock. The order is always: this lock, then the row of a delivery, then the row
                # of the cohort. No transaction that holds a row waits for this lock.
                connection.execute(
                    sa.select(sa.func.pg_advisory_xact_lock(_DELIVERIES_LOCK, cohort))
                )
            applying.insert_once(
                connection,
                deliveries,
                cohort=cohort,
                session_id=push.session_id,
                action=push.action,
                total_pages=push.total_pages,
                changed_at=int(self._now()),
            )
            first = (
                sa.select(sa.func.min(deliveries.c.id))
                .where(deliveries.c.cohort == cohort, deliveries.c.session_id == push.session_id)
                .scalar_subquery()
            )
            connection.execute(
                deliveries.update()
                .where(
                    deliveries.c.cohort == cohort,
                    deliveries.c.session_id == push.session_id,
                    deliveries.c.session == 0,
                )
                .values(session=first)
            )
            found = connection.execute(chosen).one()
        return found

    def _store_page(self, connection: sa.Connection, delivery: int, push: Push) -> bool:
        digest = _digest(push)
        here = (pages.c.delivery == delivery, pages.c.page == push.page)
        before = connection.scalar(sa.select(pages.c.digest).where(*here))
        if before == digest:
            return False
        if before is not None:
            # Mixpanel has started the export again, and this page now holds other people: replace
            # the earlier page.
            connection.execute(
                members.delete().where(members.c.list_id == delivery, members.c.page == push.page)
            )
            connection.execute(pages.delete().where(*here))
        connection.execute(pages.insert().values(delivery=delivery, page=push.page, digest=digest))
        if push.members:
            connection.exec_driver_sql(
                _INSERT[connection.dialect.name],
                [(delivery, who, kept, push.page) for who, kept in sorted(push.members)],
            )
        connection.execute(
            deliveries.update()
            .where(deliveries.c.id == delivery)
            .values(changed_at=int(self._now()))
        )
        return True


def _digest(push: Push) -> bytes:
    digest = hashlib.sha256()
    for who, kept in push.members:
        digest.update(
            b"%d %s %d %s" % (len(who), who, -1 if kept is None else len(kept), kept or b"")
        )
    return digest.digest()
