"""What a complete list or difference does to a cohort, inside the transaction of its last page.

Mixpanel computes a difference from its last good export: one whose pages were all answered with
success. An export that failed in Mixpanel's eyes, although some of its parts are here, is therefore
undone when the next one comes, because that is computed as if it had not been:

- one of its parts has not all its pages; or
- the next one adds (or removes) again somebody whom it added (or removed), which Mixpanel never
  does to somebody who is in (or out of) its last good export already.

That is why each row keeps what it said before the last export that touched it. Whom a failed export
removed is put back at once. Whom it added is removed only when the next export says completely who
entered: until then they may still be in the cohort, and nobody is removed on a guess.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from tap_mixpanel_cohorts.inbox.database import POSTGRESQL
from tap_mixpanel_cohorts.inbox.push import ADD, MEMBERS, REMOVE
from tap_mixpanel_cohorts.inbox.schema import cohorts, deliveries, inbox, members, pages

if TYPE_CHECKING:
    from tap_mixpanel_cohorts.inbox.push import Push

LIST: Final = "list complete"
DIFFERENCE: Final = "difference complete"
UNCHANGED: Final = "nothing changed"
SUPERSEDED: Final = "superseded by a later export"


def insert_once(connection: sa.Connection, table: sa.Table, **values: object) -> None:
    """Insert a row unless it is there already, also when another process inserts it just now."""
    insert: Any = postgresql.insert if connection.dialect.name == POSTGRESQL else sqlite.insert
    connection.execute(insert(table).values(**values).on_conflict_do_nothing())


def complete(
    connection: sa.Connection, cohort_number: int, delivery: sa.Row[Any], push: Push
) -> str:
    """Apply a delivery whose pages are all here.

    Args:
        connection: In a transaction.
        cohort_number: The cohort's row.
        delivery: The delivery's row.
        push: Its last page, for the cohort's name.

    Returns:
        `LIST`, `DIFFERENCE`, `UNCHANGED` or `SUPERSEDED`.
    """
    sequence = connection.scalar(
        inbox.update().values(sequence=inbox.c.sequence + 1).returning(inbox.c.sequence)
    )
    # From here on one transaction at a time, so that sequences become visible in their order.
    cohort = connection.execute(
        sa.select(cohorts).where(cohorts.c.id == cohort_number).with_for_update()
    ).one()
    connection.execute(pages.delete().where(pages.c.delivery == delivery.id))
    connection.execute(
        deliveries.update()
        .where(deliveries.c.id == delivery.id)
        .values(is_complete=True, sequence=sequence)
    )
    if cohort.session > delivery.session:
        return SUPERSEDED
    part = _Part(connection, cohort, delivery, int(sequence or 0))
    if part.is_full_list():
        part.become_the_list()
        outcome = LIST
    else:
        outcome = DIFFERENCE if part.apply_difference() else UNCHANGED
    renamed = (push.name, push.description) != (cohort.name, cohort.description)
    changes: dict[str, object] = {"session": delivery.session}
    if cohort.session != delivery.session:
        changes["previous_session"] = cohort.session
    if renamed:
        changes |= {"name": push.name, "description": push.description}
    # A cohort that comes for the first time is news, even if nobody is in it.
    if renamed or outcome != UNCHANGED or cohort.sequence == 0:
        changes["sequence"] = sequence
    connection.execute(cohorts.update().where(cohorts.c.id == cohort.id).values(**changes))
    return outcome


class _Part:
    """A delivery on its way into its cohort."""

    def __init__(
        self, connection: sa.Connection, cohort: sa.Row[Any], delivery: sa.Row[Any], sequence: int
    ) -> None:
        self._connection = connection
        self._cohort = cohort
        self._delivery = delivery
        self._sequence = sequence
        self._flag = delivery.action == ADD
        self._staged = members.alias("staged")
        self._list_id = -cohort.id if cohort.list_id is None else cohort.list_id

    def is_full_list(self) -> bool:
        """Return whether this holds everybody; the first sync may come as `members` or as adds."""
        if self._delivery.action == MEMBERS:
            return True
        if self._delivery.action == REMOVE or not self._has_members(self._delivery.id):
            return False
        cohort = self._cohort
        if cohort.list_id is None:
            return not self._session_removes()
        return (
            cohort.list_action == ADD
            and cohort.session == cohort.list_session != self._delivery.session
            and self._meets_current_list()
        )

    def become_the_list(self) -> None:
        """Make the staged rows the cohort's list; the clean-up deletes the one before."""
        self._connection.execute(
            deliveries.update()
            .where(deliveries.c.cohort == self._cohort.id, deliveries.c.has_failed)
            .values(has_failed=False)
        )
        self._update_cohort(
            list_id=self._delivery.id,
            list_action=self._delivery.action,
            list_sequence=self._sequence,
            list_session=self._delivery.session,
            is_complete=True,
        )

    def apply_difference(self) -> bool:
        """Move the staged people in or out.

        Returns:
            Whether anything changed.
        """
        cohort, connection = self._cohort, self._connection
        if cohort.list_id is None:
            self._update_cohort(list_id=self._list_id)
        elif (
            not self._flag
            and cohort.list_action == ADD
            and cohort.list_session == self._delivery.session
            and self._has_members(self._delivery.id)
        ):
            # An export that also removes was no first one: its adds are not everybody.
            self._update_cohort(is_complete=False)
        before = (
            cohort.session if cohort.session != self._delivery.session else cohort.previous_session
        )
        if before and self._has_failed(before):
            self._mark_failed(before)
        self._undo_failed()
        connection.execute(self._merge())
        connection.execute(members.delete().where(members.c.list_id == self._delivery.id))
        connection.execute(
            deliveries.update().where(deliveries.c.id == self._delivery.id).values(has_rows=False)
        )
        changed = sa.select(members.c.list_id).where(
            members.c.list_id == self._list_id,
            members.c.sequence > 0,
            members.c.sequence == self._sequence,
        )
        return connection.execute(changed.limit(1)).first() is not None

    def _merge(self) -> sa.Insert:
        """Write the staged rows over those of the list."""
        staged, flag = self._staged, sa.literal(self._flag)
        session, sequence = self._delivery.session, self._sequence
        insert: Any = (
            postgresql.insert if self._connection.dialect.name == POSTGRESQL else sqlite.insert
        )
        names = [column.name for column in members.columns]
        rows = sa.select(
            sa.literal(self._list_id),
            staged.c.distinct_id,
            staged.c.properties,
            sa.literal(0),
            flag,
            sa.literal(sequence),
            sa.literal(session),
            sa.false(),
        ).where(staged.c.list_id == self._delivery.id)
        statement = insert(members).from_select(names, rows)
        new = statement.excluded
        kept = sa.func.coalesce(new.properties, members.c.properties)
        moved = members.c.is_member.is_distinct_from(flag)
        differs = sa.and_(flag, members.c.properties.is_distinct_from(kept))
        merged: sa.Insert = statement.on_conflict_do_update(
            index_elements=[members.c.list_id, members.c.distinct_id],
            set_={
                "was_member": sa.case(
                    (members.c.session == session, members.c.was_member),
                    else_=members.c.is_member,
                ),
                "session": session,
                "sequence": sa.case((sa.or_(moved, differs), sequence), else_=members.c.sequence),
                "properties": kept,
                "is_member": flag,
            },
        )
        return merged

    def _has_failed(self, session: int) -> bool:
        """Return whether an export failed in Mixpanel's eyes, by what this one says."""
        flag = self._flag
        if self._exists_touched_by(session, members.c.is_member != flag, was_member=flag):
            return False  # the opposite of what it did can only follow on what it did
        incomplete = sa.select(deliveries.c.id).where(
            deliveries.c.cohort == self._cohort.id,
            deliveries.c.session == session,
            deliveries.c.is_complete.is_(False),
        )
        if self._connection.execute(incomplete.limit(1)).first() is not None:
            return True
        return self._exists_touched_by(session, members.c.is_member == flag, was_member=not flag)

    def _exists_touched_by(
        self, session: int, is_member: sa.ColumnElement[bool], *, was_member: bool
    ) -> bool:
        staged = self._staged
        found = (
            sa.select(staged.c.list_id)
            .join(members, members.c.distinct_id == staged.c.distinct_id)
            .where(
                staged.c.list_id == self._delivery.id,
                members.c.list_id == self._list_id,
                members.c.sequence > 0,
                members.c.session == session,
                members.c.was_member == was_member,
                is_member,
            )
        )
        return self._connection.execute(found.limit(1)).first() is not None

    def _mark_failed(self, session: int) -> None:
        self._connection.execute(
            deliveries.update()
            .where(deliveries.c.cohort == self._cohort.id, deliveries.c.session == session)
            .values(has_failed=True)
        )

    def _undo_failed(self) -> None:
        failed = sa.select(deliveries.c.session.distinct()).where(
            deliveries.c.cohort == self._cohort.id,
            deliveries.c.session < self._delivery.session,
            deliveries.c.has_failed,
        )
        for session in self._connection.scalars(failed).all():
            self._undo(session, was_member=True)
            if self._flag or self._is_known_that_nobody_entered(session):
                self._undo(session, was_member=False)
                self._connection.execute(
                    deliveries.update()
                    .where(deliveries.c.cohort == self._cohort.id, deliveries.c.session == session)
                    .values(has_failed=False)
                )

    def _is_known_that_nobody_entered(self, failed: int) -> bool:
        """Return whether an export after the failed one came completely and added nobody."""
        exports: dict[int, list[tuple[str, bool]]] = {}
        between = sa.select(
            deliveries.c.session, deliveries.c.action, deliveries.c.is_complete
        ).where(
            deliveries.c.cohort == self._cohort.id,
            deliveries.c.session > failed,
            deliveries.c.session < self._delivery.session,
        )
        for session, action, is_complete in self._connection.execute(between):
            exports.setdefault(session, []).append((action, is_complete))
        return any(
            all(is_complete and action != ADD for action, is_complete in parts)
            for parts in exports.values()
        )

    def _undo(self, session: int, *, was_member: bool) -> None:
        """Give those whom an export moved the membership that they had before."""
        self._connection.execute(
            members.update()
            .where(
                members.c.list_id == self._list_id,
                members.c.sequence > 0,
                members.c.session == session,
                members.c.was_member == was_member,
                members.c.is_member != was_member,
            )
            .values(is_member=was_member, sequence=self._sequence, session=0)
        )

    def _has_members(self, delivery: int) -> bool:
        found = sa.select(members.c.list_id).where(members.c.list_id == delivery)
        return self._connection.execute(found.limit(1)).first() is not None

    def _session_removes(self) -> bool:
        """Return whether the export also takes people out, which a first one cannot."""
        others = sa.select(deliveries.c.id).where(
            deliveries.c.cohort == self._cohort.id,
            deliveries.c.session == self._delivery.session,
            deliveries.c.action == REMOVE,
        )
        return any(self._has_members(other) for other in self._connection.scalars(others).all())

    def _meets_current_list(self) -> bool:
        staged = self._staged
        found = (
            sa.select(staged.c.list_id)
            .join(members, members.c.distinct_id == staged.c.distinct_id)
            .where(staged.c.list_id == self._delivery.id, members.c.list_id == self._list_id)
        )
        return self._connection.execute(found.limit(1)).first() is not None

    def _update_cohort(self, **values: object) -> None:
        self._connection.execute(
            cohorts.update().where(cohorts.c.id == self._cohort.id).values(**values)
        )
