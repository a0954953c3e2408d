"""The known membership: whom Braze holds, as far as it acknowledged it, in SQL.

A list is what Braze knows by one label: a cohort id, or a value of the array attribute. Each row
of a member says that Braze may hold them. Its generation says how sure that is:

    n ≥ 1   acknowledged in the list's n-th full round; due again when a later round has begun
    0       an add was about to be sent, and its answer is not known
    -1      a removal was about to be sent, and its answer is not known
    -2      Braze refused the only add that was ever sent: it does not hold them

The store notes the intention before each request and the acknowledgement after it. A crash or lost
answers leave only the members of the requests in flight unsure. The next run sends those again,
which is safe: Braze accepts the same add or removal twice. One thread uses the store.
"""

from __future__ import annotations

from dataclasses import dataclass
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
"""Compared byte by byte: the language of a database must not change the order of pages."""

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


@dataclass(frozen=True)
class _Statements:
    """Statements about many members of one list, given as one JSON array of identifiers.

    A statement with one array costs the same for one member and for a thousand. Each dialect has
    its own function that reads a JSON array.

    Attributes:
        intend_adds: Insert members, or raise those whose generation is lower.
        set_generation: Set the generation of members.
        find: Select the members whose generation is higher.
        forget: Delete members.
    """

    intend_adds: str
    set_generation: str
    find: str
    forget: str


_STATEMENTS: Final = {
    # WHERE true: without it SQLite takes ON CONFLICT for the condition of a join.
    SQLITE: _Statements(
        intend_adds="""
            INSERT INTO braze_cohort_members (list_id, identifier, generation)
            SELECT CAST(:list AS INTEGER), each.value, CAST(:generation AS INTEGER)
            FROM json_each(:identifiers) AS each WHERE true
            ON CONFLICT (list_id, identifier) DO UPDATE SET generation = excluded.generation
            WHERE braze_cohort_members.generation < excluded.generation
        """,
        set_generation="""
            UPDATE braze_cohort_members SET generation = :generation
            WHERE list_id = :list
                AND identifier IN (SELECT each.value FROM json_each(:identifiers) AS each)
        """,
        find="""
            SELECT identifier FROM braze_cohort_members
            WHERE list_id = :list AND generation > :generation
                AND identifier IN (SELECT each.value FROM json_each(:identifiers) AS each)
        """,
        forget="""
            DELETE FROM braze_cohort_members
            WHERE list_id = :list
                AND identifier IN (SELECT each.value FROM json_each(:identifiers) AS each)
        """,
    ),
    # = ANY (ARRAY(…)): PostgreSQL looks up each element by the key. With IN (SELECT …) it would
    # read the list to its end, which takes longer and longer while the list fills.
    POSTGRESQL: _Statements(
        intend_adds="""
            INSERT INTO braze_cohort_members (list_id, identifier, generation)
            SELECT CAST(:list AS INTEGER), each.value, CAST(:generation AS INTEGER)
            FROM jsonb_array_elements_text(CAST(:identifiers AS jsonb)) AS each(value)
            ON CONFLICT (list_id, identifier) DO UPDATE SET generation = excluded.generation
            WHERE braze_cohort_members.generation < excluded.generation
        """,
        set_generation="""
            UPDATE braze_cohort_members SET generation = :generation
            WHERE list_id = :list AND identifier = ANY (ARRAY(
                SELECT each.value
                FROM jsonb_array_elements_text(CAST(:identifiers AS jsonb)) AS each(value)
            ))
        """,
        find="""
            SELECT identifier FROM braze_cohort_members
            WHERE list_id = :list AND generation > :generation AND identifier = ANY (ARRAY(
                SELECT each.value
                FROM jsonb_array_elements_text(CAST(:identifiers AS jsonb)) AS each(value)
            ))
        """,
        forget="""
            DELETE FROM braze_cohort_members
            WHERE list_id = :list AND identifier = ANY (ARRAY(
                SELECT each.value
                FROM jsonb_array_elements_text(CAST(:identifiers AS jsonb)) AS each(value)
            ))
        """,
    ),
}


class MembershipStore:
    """Known membership of one Braze workspace."""

    def __init__(self, connection: sa.Connection, workspace: str) -> None:
        """Keep the connection; `create_tables` comes next.

        Args:
            connection: The database; every method commits what it writes.
            workspace: Which of the workspaces in it.
        """
        self._connection = connection
        self._workspace = workspace
        self._statements = _STATEMENTS[connection.dialect.name]
        self._insert = sqlite.insert if connection.dialect.name == SQLITE else postgresql.insert

    def create_tables(self) -> None:
        """Create the tables if they do not exist."""
        wait_for_turn(self._connection)
        _tables.create_all(self._connection)
        self._connection.commit()

    def lists(self) -> list[KnownList]:
        """Return all lists of the workspace, oldest first."""
        query = (
            sa.select(*(LISTS.c[field] for field in KnownList._fields))
            .where(LISTS.c.workspace == self._workspace)
            .order_by(LISTS.c.id)
        )
        return [KnownList(*row) for row in self._connection.execute(query)]

    def require_kind(self, kind: str) -> None:
        """Require that the run uses the kind of identifier by which the members were added.

        Otherwise a member added by external id could be removed by alias, and the store would
        still say that Braze holds them.

        Raises:
            SettingsError: A list of the workspace holds another kind.
        """
        other = next((known.kind for known in self.lists() if known.kind != kind), None)
        if other is not None:
            raise SettingsError(
                f"membership_db holds members of this workspace by {other}, and the setting "
                f"identifier is {kind}. Set it back, or give another membership_db to start "
                "again (members who have left a cohort by then stay in Braze)."
            )

    def count(self, list_id: int) -> ListSize:
        """Count a list's members."""
        query = sa.select(
            sa.func.count(), sa.func.count().filter(MEMBERS.c.generation > UNSURE_ADD)
        ).where(MEMBERS.c.list_id == list_id, MEMBERS.c.generation > REFUSED)
        return ListSize(*self._connection.execute(query).one())

    def open_list(self, label: str, cohort_id: str, kind: str, now: int) -> KnownList:
        """Return the list under a label; create it if there is none.

        Args:
            label: What Braze knows it by.
            cohort_id: The cohort that the list holds from now on.
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
        """Note that a rename is about to be sent: Braze may hold the old name or the new one."""
        update = sa.update(LISTS).where(LISTS.c.id == list_id, LISTS.c.name.is_not(None))
        self._connection.execute(update.values(name=RENAMING))
        self._connection.commit()

    def set_name(self, list_id: int, name: str) -> None:
        """Note the name that Braze acknowledged."""
        self._update_list(list_id, name=name)

    def begin_resync(self, list_id: int, generation: int, now: int) -> None:
        """Make all members due again.

        Args:
            list_id: The list.
            generation: The new generation.
            now: UNIX seconds.
        """
        self._update_list(list_id, generation=generation, resynced_at=now)

    def set_delivered(self, list_id: int, now: int) -> None:
        """Note that Braze had the whole list at `now`, in UNIX seconds."""
        self._update_list(list_id, delivered_at=now)

    def drop_list(self, list_id: int) -> None:
        """Forget a list and its members."""
        self._connection.execute(sa.delete(MEMBERS).where(MEMBERS.c.list_id == list_id))
        self._connection.execute(sa.delete(LISTS).where(LISTS.c.id == list_id))
        self._connection.commit()

    def strangers(self, list_id: int, identifiers: Sequence[str]) -> set[str]:
        """Return the identifiers that Braze certainly does not hold."""
        known = self._on_members(self._statements.find, list_id, identifiers, REFUSED)
        return set(identifiers).difference(known)

    def intend(self, list_id: int, change: Change, identifiers: Sequence[str]) -> None:
        """Note what the next request is about to do."""
        if change is Change.REMOVE:
            self._set_generation(list_id, identifiers, UNSURE_REMOVAL)
        else:
            self._on_members(self._statements.intend_adds, list_id, identifiers, UNSURE_ADD)

    def acknowledge(self, known: KnownList, change: Change, identifiers: Sequence[str]) -> None:
        """Note that Braze accepted a change."""
        if change is Change.REMOVE:
            self.forget(known.id, identifiers)
        else:
            self._set_generation(known.id, identifiers, known.generation)

    def set_refused(self, list_id: int, identifiers: Sequence[str]) -> None:
        """Note that Braze refused these members and does not hold them."""
        self._set_generation(list_id, identifiers, REFUSED)

    def forget(self, list_id: int, identifiers: Sequence[str]) -> None:
        """Delete members whom Braze does not hold."""
        self._on_members(self._statements.forget, list_id, identifiers)

    def _set_generation(self, list_id: int, identifiers: Sequence[str], generation: int) -> None:
        self._on_members(self._statements.set_generation, list_id, identifiers, generation)

    def _on_members(
        self, statement: str, list_id: int, identifiers: Sequence[str], generation: int = 0
    ) -> list[str]:
        """Run one of `_Statements`, commit, and return the identifiers that it selects."""
        values = {
            "list": list_id,
            "generation": generation,
            "identifiers": msgspec.json.encode(identifiers).decode(),
        }
        result = self._connection.execute(sa.text(statement), values)
        found = list(result.scalars()) if result.returns_rows else []
        self._connection.commit()
        return found

    def _update_list(self, list_id: int, **values: str | int | None) -> None:
        self._connection.execute(sa.update(LISTS).where(LISTS.c.id == list_id).values(**values))
        self._connection.commit()
