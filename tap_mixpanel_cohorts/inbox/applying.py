"""Apply a complete list or difference to a cohort, in the transaction of its last page.

Terms: an export is one sync run of Mixpanel (a session). It has one delivery for each action
(`members`, `add_members`, `remove_members`), and a delivery has pages.

Mixpanel computes a difference against its last good export: an export whose pages were all answered
with success. If an export has failed for Mixpanel, the next export is computed as if the failed one
had not happened. Some of the failed export's deliveries may already be applied here, so they must
be undone. An export has failed for Mixpanel if one of these is true:

- one of its deliveries is not complete;
- the next export adds again a person whom it added, or removes again a person whom it removed.
  Mixpanel never adds a person who is already in its last good export, nor removes one who is not.

To make undoing possible, each row of `members` keeps `was_member`, its value before the last export
that changed it. People whom a failed export removed are restored at once. People whom it added are
removed only when the next export has completely listed who entered: until then they may really be
in the cohort, and no person is removed on a guess.

Source: Mixpanel's documentation of cohort sync by webhook.
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
    """Insert a row unless it exists. This is safe if another process inserts the same row."""
    insert: Any = postgresql.insert if connection.dialect.name == POSTGRESQL else sqlite.insert
    connection.execute(insert(table).values(**values).on_conflict_do_nothing())


def complete(
    connection: sa.Connection, cohort_number: int, delivery: sa.Row[Any], push: Push
) -> str:
    """Apply a delivery whose pages are all stored.

    Args:
        connection: A connection with an open transaction.
        cohort_number: The key of the cohort's row.
        delivery: The row of the delivery.
        push: The last page, for the name of the cohort.

    Returns:
        `LIST`, `DIFFERENCE`, `UNCHANGED` or `SUPERSEDED`.
    """
    sequence = connection.scalar(
        inbox.update().values(sequence=inbox.c.sequence + 1).returning(inbox.c.sequence)
    )
    # The update of the single row in `inbox` also locks it until the commit. So only one
    # transaction at a time goes on from here, and sequence numbers become visible in ascending
    # order. A tap that has read up to number n has therefore seen all smaller numbers.
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
    # The tap reads cohorts with a new sequence. A new cohort must get one even if it is empty.
    if renamed or outcome != UNCHANGED or cohort.sequence == 0:
        changes["sequence"] = sequence
    connection.execute(cohorts.update().where(cohorts.c.id == cohort.id).values(**changes))
    return outcome


class _Part:
    """A complete delivery that is being applied to its cohort.

    The pages of a delivery are staged in `members` with `list_id` = id of the delivery. The current
    list of a cohort has `list_id` = id of the delivery that became the list. A cohort that has only
    received changes has no such delivery, so its list gets a negative number, `-cohort.id`: it can
    never be the id of a delivery, which is positive.
    """

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
        """Return whether the delivery is a complete list of the cohort.

        `members` always is. Mixpanel may also send the first sync as `add_members`. So adds are a
        complete list if the cohort has no list yet and the export removes nobody; or if the list
        came as adds in the export before, and the new adds contain people of that list: Mixpanel
        adds a person again only when it starts over.
        """
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
        """Make the staged rows the cohort's list. No row is copied; `Cleaning` deletes the old."""
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
        """Add or remove the staged people.

        Returns:
            Whether the membership or a property of any person changed.
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
            # The adds of this export were taken for a complete first list. But a first export does
            # not remove people, so the list is not complete.
            self._update_cohort(is_complete=False)
        # The export before this one. If the other delivery of this export came first, the cohort's
        # `session` is already this export.
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
        """Return the statement that writes the staged rows over the rows of the list.

        `was_member` keeps the value before this export. If this export has already changed the row
        (with its other delivery), `was_member` stays as it is. `sequence` moves on only if the
        membership or a kept property changes, so that the tap does not emit unchanged people.
        """
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
        """Return whether an earlier export has failed for Mixpanel, judged by this delivery."""
        flag = self._flag
        if self._exists_touched_by(session, members.c.is_member != flag, was_member=flag):
            # This delivery reverses a change of that export (for example, removes a person whom it
            # added). Mixpanel does that only if it counts the change as done.
            return False
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
        """Return whether a complete export after the failed one added no people."""
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
        """Restore the membership of people whom an export changed.

        Args:
            session: The export to undo.
            was_member: True to restore people whom it removed, False to remove people it added.
        """
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
        """Return whether the export also removes people, which a first export does not."""
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
