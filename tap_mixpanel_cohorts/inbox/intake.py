"""Stores pages of pushes, and applies a list or a difference when its last page is there."""

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
"""First half of the advisory locks under which deliveries are made; the second is the cohort."""

_INSERT = {
    dialect: f"INSERT INTO members (list_id, distinct_id, properties, page, is_member, sequence, "  # noqa: S608 - constants
    f"session, was_member) VALUES ({', '.join([mark] * 4)}, {yes}, 0, 0, {no}) "
    "ON CONFLICT (list_id, distinct_id) DO UPDATE SET properties = excluded.properties, "
    "page = excluded.page"
    for dialect, mark, yes, no in (("sqlite", "?", 1, 0), (POSTGRESQL, "%s", "true", "false"))
}


class Intake:
    """Takes pushes into the database; may be used by several threads and processes at once."""

    def __init__(self, engine: sa.Engine, now: Callable[[], float] = time.time) -> None:
        """Keep what is needed; nothing is opened yet.

        Args:
            engine: One that writes.
            now: UNIX seconds.
        """
        self._engine = engine
        self._now = now

    def store(self, push: Push) -> str:
        """Store a page in one transaction: it is committed when this returns.

        Args:
            push: The page. It may come twice, in any order, and beside others.

        Returns:
            `STORED`, `KNOWN` for a page that is there already, or the outcome of what the page
            completed (see `applying`).

        Raises:
            sqlalchemy.exc.DBAPIError: The database failed; nothing is stored.
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
        """Find or make the delivery of a page; PostgreSQL lets one page at a time go on with it."""
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
                # One at a time, so that both actions of an export see each other and get one
                # number. A lock of its own: who holds it may wait for the row of a delivery, and
                # who holds such a row may wait for the cohort's, but nobody for this one.
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
            # The export began again and this page holds others now: the later one is right.
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
