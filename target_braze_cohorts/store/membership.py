"""The known membership in SQL: the members whom Braze holds, by its acknowledgements.

A list is the set of members under one label in Braze: a cohort id, or a value of the array
attribute. A row in `braze_cohort_members` means that Braze holds or may hold this member. Its
`generation` shows how certain that is:

    n ≥ 1   Braze acknowledged the add in the list's n-th full round; the add is sent again when a
            later round has begun
    0       an add was about to be sent, and its response is not known
    -1      a removal was about to be sent, and its response is not known
    -2      Braze refused the only add that was ever sent, so it does not hold the member

The numbers have this order so that one comparison finds each group: all members who need an add
have a generation below the list's, and all members whom Braze may hold are above -2.

The store writes the intention before each request and the acknowledgement after it. After a crash
or a lost response, only the members of the requests in flight are uncertain. The next run sends
them again. That is safe, because Braze accepts the same add or removal twice. Only one thread may
use the store.
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
"""Text that is compared byte by byte: the locale of a database must not change the order of
pages."""

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
    """SQL statements about many members of one list. The members are passed as one JSON array.

    With one array, a statement for a thousand members costs about as much as for one member. Each
    dialect has its own function to read a JSON array.

    Attributes:
        intend_adds: Inserts members, or raises their generation if it is lower.
        set_generation: Sets the generation of members.
        find: Selects the members whose generation is higher.
        forget: Deletes members.
    """

    intend_adds: str
    set_generation: str
    find: str
    forget: str


_STATEMENTS: Final = {
    # WHERE true: without it, SQLite would parse ON CONFLICT as the condition of a join.
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
    # = ANY (ARRAY(…)): PostgreSQL looks up each element in the index. With IN (SELECT …) it would
    # scan the whole list, which takes longer and longer while the list grows.
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
    """The known membership of one Braze workspace."""

    def __init__(self, connection: sa.Connection, workspace: str) -> None:
        """Keep the connection. Call `create_tables` next.

        Args:
            connection: A connection to the database. Every method commits its changes.
            workspace: The key of the workspace, see `workspace_key`.
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
        """Raise if the members in the store were added with another kind of identifier.

        Otherwise a run could remove a member by alias who was added by external id, and the store
        would still show that Braze holds the member.

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
        """Return the numbers of members of a list."""
        query = sa.select(
            sa.func.count(), sa.func.count().filter(MEMBERS.c.generation > UNSURE_ADD)
        ).where(MEMBERS.c.list_id == list_id, MEMBERS.c.generation > REFUSED)
        return ListSize(*self._connection.execute(query).one())

    def open_list(self, label: str, cohort_id: str, kind: str, now: int) -> KnownList:
        """Return the list under a label, created if it is missing.

        Args:
            label: The label of the list in Braze.
            cohort_id: The id of the cohort that the list holds from now on.
            kind: The kind of the members' identifiers.
            now: The present time in UNIX seconds.
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
        """Record that a rename is about to be sent. Braze may hold the old or the new name."""
        update = sa.update(LISTS).where(LISTS.c.id == list_id, LISTS.c.name.is_not(None))
        self._connection.execute(update.values(name=RENAMING))
        self._connection.commit()

    def set_name(self, list_id: int, name: str) -> None:
        """Record the name that Braze acknowledged."""
        self._update_list(list_id, name=name)

    def begin_resync(self, list_id: int, generation: int, now: int) -> None:
        """Begin a full round: the adds of all members are sent again.

        Args:
            list_id: The id of the list.
            generation: The new generation.
            now: The present time in UNIX seconds.
        """
        self._update_list(list_id, generation=generation, resynced_at=now)

    def set_delivered(self, list_id: int, now: int) -> None:
        """Record that Braze has the complete list at `now`, in UNIX seconds."""
        self._update_list(list_id, delivered_at=now)

    def drop_list(self, list_id: int) -> None:
        """Delete a list and its members."""
        self._connection.execute(sa.delete(MEMBERS).where(MEMBERS.c.list_id == list_id))
        self._connection.execute(sa.delete(LISTS).where(LISTS.c.id == list_id))
        self._connection.commit()

    def strangers(self, list_id: int, identifiers: Sequence[str]) -> set[str]:
        """Return the identifiers that Braze certainly does not hold."""
        known = self._on_members(self._statements.find, list_id, identifiers, REFUSED)
        return set(identifiers).difference(known)

    def intend(self, list_id: int, change: Change, identifiers: Sequence[str]) -> None:
        """Record what the next request is about to do."""
        if change is Change.REMOVE:
            self._set_generation(list_id, identifiers, UNSURE_REMOVAL)
        else:
            self._on_members(self._statements.intend_adds, list_id, identifiers, UNSURE_ADD)

    def acknowledge(self, known: KnownList, change: Change, identifiers: Sequence[str]) -> None:
        """Record that Braze accepted a change."""
        if change is Change.REMOVE:
            self.forget(known.id, identifiers)
        else:
            self._set_generation(known.id, identifiers, known.generation)

    def set_refused(self, list_id: int, identifiers: Sequence[str]) -> None:
        """Record that Braze refused these members and does not hold them."""
        self._set_generation(list_id, identifiers, REFUSED)

    def forget(self, list_id: int, identifiers: Sequence[str]) -> None:
        """Delete members whom Braze does not hold."""
        self._on_members(self._statements.forget, list_id, identifiers)

    def _set_generation(self, list_id: int, identifiers: Sequence[str], generation: int) -> None:
        self._on_members(self._statements.set_generation, list_id, identifiers, generation)

    def _on_members(
        self, statement: str, list_id: int, identifiers: Sequence[str], generation: int = 0
    ) -> list[str]:
        """Run a statement of `_Statements`, commit, and return the identifiers that it selects."""
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
