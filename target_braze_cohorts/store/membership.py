"""What Braze was last told, in SQL.

A list is what Braze knows by one label: a cohort id, or a value of the array attribute. A row of
a member says that Braze may hold them. Its generation says how sure that is:

    n ≥ 1   acknowledged in the list's n-th full round; due again once the list has moved on
    0       an add was about to be sent and no answer is known
    -1      a removal was about to be sent and no answer is known
    -2      Braze refused the only add that was ever sent: it does not hold them

The intention is stored before each request and the acknowledgement after it. So a crash, or an
answer that got lost, leaves at most one request's members unsure, and unsure ones are sent again:
adds and removals can be repeated.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from braze_mixpanel.errors import SettingsError
from target_braze_cohorts.planning.changes import RENAMING, Change, KnownList, ListSize
from target_braze_cohorts.store.database import POSTGRESQL, SQLITE, wait_for_turn

if TYPE_CHECKING:
    from collections.abc import Sequence

UNSURE_ADD: Final = 0
UNSURE_REMOVAL: Final = -1
REFUSED: Final = -2

IDENTIFIER: Final = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
"""Compared byte by byte: a database's language must not change the order of pages."""

_tables = sa.MetaData()

LISTS: Final = sa.Table(
    "braze_cohort_lists",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("workspace", sa.Text, nullable=False),
    sa.Column("label", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    sa.Column("cohort_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text),
    sa.Column("generation", sa.Integer, nullable=False),
    sa.Column("resynced_at", sa.BigInteger, nullable=False),
    sa.Column("delivered_at", sa.BigInteger),
    sa.UniqueConstraint("workspace", "label"),
)

MEMBERS: Final = sa.Table(
    "braze_cohort_members",
    _tables,
    sa.Column("list_id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("identifier", IDENTIFIER, primary_key=True),
    sa.Column("generation", sa.Integer, nullable=False),
    sqlite_with_rowid=False,
)


_ELEMENTS: Final = {
    SQLITE: "json_each(:identifiers) AS each",
    POSTGRESQL: "jsonb_array_elements_text(CAST(:identifiers AS jsonb)) AS each(value)",
}
# As an array, PostgreSQL looks each up by the key; else it reads a list that fills to its end.
_ANY_ELEMENT: Final = {
    SQLITE: "IN (SELECT each.value FROM ELEMENTS)",
    POSTGRESQL: "= ANY (ARRAY(SELECT each.value FROM ELEMENTS))",
}
_INTEND_ADDS = """
INSERT INTO braze_cohort_members (list_id, identifier, generation)
SELECT CAST(:list AS INTEGER), each.value, CAST(:generation AS INTEGER) FROM ELEMENTS WHERE true
ON CONFLICT (list_id, identifier) DO UPDATE SET generation = excluded.generation
WHERE braze_cohort_members.generation < excluded.generation
"""
_SET_GENERATION = """
UPDATE braze_cohort_members SET generation = :generation
WHERE list_id = :list AND identifier ANY_ELEMENT
"""
_KNOWN = """
SELECT identifier FROM braze_cohort_members
WHERE list_id = :list AND generation > :generation
    AND identifier ANY_ELEMENT
"""
_FORGET = """
DELETE FROM braze_cohort_members
WHERE list_id = :list AND identifier ANY_ELEMENT
"""


class MembershipStore:
    """Known membership of one Braze workspace."""

    def __init__(self, connection: sa.Connection, workspace: str) -> None:
        """Make the tables if they are not there.

        Args:
            connection: The database; every method commits what it writes.
            workspace: Which of the workspaces in it.
        """
        self._connection = connection
        self._workspace = workspace
        self._insert = sqlite.insert if connection.dialect.name == SQLITE else postgresql.insert
        wait_for_turn(connection)
        _tables.create_all(connection)
        connection.commit()

    def lists(self) -> list[KnownList]:
        """Give all lists of the workspace, oldest first."""
        query = (
            sa.select(*(LISTS.c[field] for field in KnownList._fields))
            .where(LISTS.c.workspace == self._workspace)
            .order_by(LISTS.c.id)
        )
        return [KnownList(*row) for row in self._connection.execute(query)]

    def require_kind(self, kind: str) -> None:
        """Refuse to go on with another kind of identifier than the members were added by.

        Somebody added by external id and then removed by alias would be out of the cohort while
        the store says that they are in.

        Raises:
            SettingsError: Lists of the workspace hold another kind.
        """
        other = next((known.kind for known in self.lists() if known.kind != kind), None)
        if other is not None:
            raise SettingsError(
                f"membership_db holds members of this workspace by {other}, and the setting "
                f"identifier is {kind}: set it back, or give another membership_db to start anew "
                "(those who left the cohorts until then stay in Braze)."
            )

    def count(self, list_id: int) -> ListSize:
        """Count a list's members."""
        query = sa.select(
            sa.func.count(), sa.func.count().filter(MEMBERS.c.generation > UNSURE_ADD)
        ).where(MEMBERS.c.list_id == list_id, MEMBERS.c.generation > REFUSED)
        return ListSize(*self._connection.execute(query).one())

    def open_list(self, label: str, cohort_id: str, kind: str, now: int) -> KnownList:
        """Find a list, or begin it.

        Args:
            label: What Braze knows or will know it by.
            cohort_id: The cohort that it holds from now on.
            kind: The kind of its members' identifiers.
            now: UNIX seconds.
        """
        row = {
            "workspace": self._workspace,
            "label": label,
            "kind": kind,
            "cohort_id": cohort_id,
            "generation": 1,
            "resynced_at": now,
        }
        upsert = self._insert(LISTS).on_conflict_do_update(
            index_elements=["workspace", "label"], set_={"cohort_id": cohort_id}
        )
        self._connection.execute(upsert, row)
        self._connection.commit()
        return next(known for known in self.lists() if known.label == label)

    def begin_rename(self, list_id: int) -> None:
        """Remember that Braze may go by another name from now on, if it had one."""
        update = sa.update(LISTS).where(LISTS.c.id == list_id, LISTS.c.name.is_not(None))
        self._connection.execute(update.values(name=RENAMING))
        self._connection.commit()

    def set_name(self, list_id: int, name: str) -> None:
        """Remember the name that Braze acknowledged."""
        self._update_list(list_id, name=name)

    def begin_resync(self, list_id: int, generation: int, now: int) -> None:
        """Make all members due again.

        Args:
            list_id: The list.
            generation: The new one.
            now: UNIX seconds.
        """
        self._update_list(list_id, generation=generation, resynced_at=now)

    def set_delivered(self, list_id: int, now: int) -> None:
        """Remember that Braze has had the whole list, at `now` in UNIX seconds."""
        self._update_list(list_id, delivered_at=now)

    def drop_list(self, list_id: int) -> None:
        """Forget a list and its members."""
        self._connection.execute(sa.delete(MEMBERS).where(MEMBERS.c.list_id == list_id))
        self._connection.execute(sa.delete(LISTS).where(LISTS.c.id == list_id))
        self._connection.commit()

    def strangers(self, list_id: int, identifiers: Sequence[str]) -> set[str]:
        """Find those of some people whom Braze certainly does not hold."""
        known = self._on_members(_KNOWN, list_id, identifiers, REFUSED)
        return set(identifiers).difference(known)

    def intend(self, list_id: int, change: Change, identifiers: Sequence[str]) -> None:
        """Store what the next request is about to do."""
        if change is Change.REMOVE:
            self._set_generation(list_id, identifiers, UNSURE_REMOVAL)
        else:
            self._on_members(_INTEND_ADDS, list_id, identifiers, UNSURE_ADD)

    def acknowledge(self, known: KnownList, change: Change, identifiers: Sequence[str]) -> None:
        """Store what Braze said yes to."""
        if change is Change.REMOVE:
            self.forget(known.id, identifiers)
        else:
            self._set_generation(known.id, identifiers, known.generation)

    def set_refused(self, list_id: int, identifiers: Sequence[str]) -> None:
        """Store that Braze does not hold them and refused to."""
        self._set_generation(list_id, identifiers, REFUSED)

    def forget(self, list_id: int, identifiers: Sequence[str]) -> None:
        """Take people out: Braze does not hold them."""
        self._on_members(_FORGET, list_id, identifiers)

    def _set_generation(self, list_id: int, identifiers: Sequence[str], generation: int) -> None:
        self._on_members(_SET_GENERATION, list_id, identifiers, generation)

    def _on_members(
        self, statement: str, list_id: int, identifiers: Sequence[str], generation: int = 0
    ) -> list[str]:
        """Run a statement on some members, given as one JSON array: a thousand cost as one."""
        values = {
            "list": list_id,
            "generation": generation,
            "identifiers": msgspec.json.encode(identifiers).decode(),
        }
        dialect = self._connection.dialect.name
        statement = statement.replace("ANY_ELEMENT", _ANY_ELEMENT[dialect])
        statement = statement.replace("ELEMENTS", _ELEMENTS[dialect])
        result = self._connection.execute(sa.text(statement), values)
        found = list(result.scalars()) if result.returns_rows else []
        self._connection.commit()
        return found

    def _update_list(self, list_id: int, **values: str | int | None) -> None:
        self._connection.execute(sa.update(LISTS).where(LISTS.c.id == list_id).values(**values))
        self._connection.commit()
