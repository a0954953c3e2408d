"""The members that came in this run, staged beside the store so that SQL finds the difference.

Everything lies in temporary tables of the run's own connection: on disk, never in memory, and gone
with the run however it ends.

    staged_received   every member record, in its order
    staged_listed     cohort and member, each once; the last record decides
    staged_profiles   member and identifier, where that is joined from the profiles
    staged_wanted     cohort and identifier
    staged_changes    cohort, add or removal, identifier: what Braze is to be told
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_braze_cohorts.planning.changes import StagedCounts
from target_braze_cohorts.store.database import POSTGRESQL
from target_braze_cohorts.store.membership import IDENTIFIER, REFUSED, UNSURE_REMOVAL

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from target_braze_cohorts.planning.changes import Change, KnownList

CHUNK_ROWS: Final = 20_000
"""How many records are held before they go to the database."""

_tables = sa.MetaData()


def _temporary(name: str, *columns: sa.Column[Any]) -> None:
    keyed = any(column.primary_key for column in columns)
    sa.Table(name, _tables, *columns, prefixes=["TEMPORARY"], sqlite_with_rowid=not keyed)


def _key(name: str, kind: sa.Integer | sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


_temporary(
    "staged_received",
    sa.Column("cohort", sa.Integer, nullable=False),
    sa.Column("member", IDENTIFIER, nullable=False),
    # Twice the record's place, plus one for a removal: the greatest is the last, its last bit
    # says which.
    sa.Column("change", sa.BigInteger, nullable=False),
)
_temporary(
    "staged_listed",
    _key("cohort", sa.Integer()),
    _key("member", IDENTIFIER),
    sa.Column("removed", sa.Integer, nullable=False),
)
_temporary(
    "staged_profiles_received",
    sa.Column("member", IDENTIFIER, nullable=False),
    sa.Column("identifier", IDENTIFIER),
    sa.Column("place", sa.BigInteger, nullable=False),
)
_temporary("staged_profiles", _key("member", IDENTIFIER), sa.Column("identifier", IDENTIFIER))
_temporary(
    "staged_changes",
    _key("cohort", sa.Integer()),
    _key("removed", sa.Integer()),
    _key("identifier", IDENTIFIER),
)

_ANALYZED: Final = (
    "braze_cohort_members",
    "staged_listed",
    "staged_profiles",
    "staged_wanted",
)
# Whatever fills a table does so in the order of its key: PostgreSQL takes four times as long else.
_LIST = """
INSERT INTO staged_listed (cohort, member, removed)
SELECT cohort, member, MAX(change) % 2 FROM staged_received GROUP BY cohort, member
ORDER BY cohort, member
"""
_LAST_PROFILES = """
INSERT INTO staged_profiles (member, identifier)
SELECT member, identifier FROM (
    SELECT member, identifier, ROW_NUMBER() OVER (PARTITION BY member ORDER BY place DESC) AS age
    FROM staged_profiles_received
) AS profiles WHERE age = 1
"""
_WANT_MEMBERS = """
CREATE TEMPORARY VIEW staged_wanted AS
SELECT cohort, member AS identifier, removed FROM staged_listed
"""
_WANTED_TABLE: Final = sa.Table(
    "staged_wanted",
    sa.MetaData(),
    _key("cohort", sa.Integer()),
    _key("identifier", IDENTIFIER),
    sa.Column("removed", sa.Integer, nullable=False),
    prefixes=["TEMPORARY"],
    sqlite_with_rowid=False,
)
# Two profiles with one identifier are one person: out only if both are.
_WANT_PROFILES = """
INSERT INTO staged_wanted (cohort, identifier, removed)
SELECT listed.cohort, profiles.identifier, MIN(listed.removed)
FROM staged_listed AS listed JOIN staged_profiles AS profiles ON profiles.member = listed.member
WHERE profiles.identifier IS NOT NULL
GROUP BY listed.cohort, profiles.identifier
ORDER BY listed.cohort, profiles.identifier
"""
_COUNT = """
SELECT listed.cohort, COUNT(*),
    COUNT(*) FILTER (WHERE :joined = 1 AND profiles.identifier IS NULL),
    COUNT(*) FILTER (WHERE :joined = 1 AND profiles.member IS NULL)
FROM staged_listed AS listed LEFT JOIN staged_profiles AS profiles
    ON :joined = 1 AND profiles.member = listed.member
GROUP BY listed.cohort
"""
_WITHOUT_IDENTIFIER = """
SELECT listed.cohort, listed.member
FROM staged_listed AS listed LEFT JOIN staged_profiles AS profiles
    ON profiles.member = listed.member
WHERE profiles.identifier IS NULL
"""
_DIFF_ADDS = """
INSERT INTO staged_changes (cohort, removed, identifier)
SELECT wanted.cohort, 0, wanted.identifier
FROM staged_wanted AS wanted LEFT JOIN braze_cohort_members AS known
    ON known.list_id = :list AND known.identifier = wanted.identifier
WHERE wanted.cohort = :cohort AND wanted.removed = 0
    AND (known.generation IS NULL OR known.generation < :generation)
ORDER BY wanted.identifier
"""
_DIFF_REMOVALS = """
INSERT INTO staged_changes (cohort, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 1, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND wanted.identifier IS NULL AND known.generation > :refused
ORDER BY known.identifier
"""
# A stream of changes names only some: the others stay, but for what an earlier run left unsure
# or what a full round makes due.
_DIFF_STATED_REMOVALS = """
INSERT INTO staged_changes (cohort, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 1, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND known.generation > :refused AND (
    wanted.removed = 1 OR (wanted.identifier IS NULL AND known.generation = :unsure_removal)
)
"""
_DIFF_DUE_ADDS = """
INSERT INTO staged_changes (cohort, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 0, known.identifier
FROM braze_cohort_members AS known LEFT JOIN staged_wanted AS wanted
    ON wanted.cohort = :cohort AND wanted.identifier = known.identifier
WHERE known.list_id = :list AND wanted.identifier IS NULL
    AND known.generation <> :unsure_removal AND known.generation < :generation
"""
# What a stream of changes does not name moves with its cohort when that is renamed.
_DIFF_CARRIED_ADDS = """
INSERT INTO staged_changes (cohort, removed, identifier)
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
_REMOVE_ALL = """
INSERT INTO staged_changes (cohort, removed, identifier)
SELECT CAST(:cohort AS INTEGER), 1, identifier
FROM braze_cohort_members WHERE list_id = :list AND generation > :refused
"""
# Whoever Braze refused and never held needs no removal.
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
    SELECT 1 FROM staged_changes AS changes WHERE changes.cohort = :cohort
    AND changes.removed = 1 AND changes.identifier = known.identifier
) LIMIT 1
"""
_PAGE = """
SELECT identifier FROM staged_changes
WHERE cohort = :cohort AND removed = :removed AND identifier > :after
ORDER BY identifier LIMIT :size
"""


def emptying(known: KnownList) -> int:
    """Give the number under which the removals of a whole list are staged; cohorts' are above 0."""
    return -known.id


class Staging:
    """One run's input. Cohorts go by numbers above 0 that the caller gives out."""

    def __init__(self, connection: sa.Connection, *, joined: bool, changes: bool) -> None:
        """Make the temporary tables.

        Args:
            connection: That of the membership store.
            joined: Whether identifiers come from profiles; otherwise a member is its identifier.
            changes: Whether what comes is changes; otherwise whoever does not come has left.
        """
        self._connection = connection
        self._joined = joined
        self._changes = changes
        self._members: list[tuple[int, str, int]] = []
        self._profiles: list[tuple[str, str | None, int]] = []
        self._place = 0
        _tables.create_all(connection, checkfirst=False)
        connection.commit()

    def add_member(self, cohort: int, member: str, removed: bool) -> None:  # noqa: FBT001 - hot
        """Stage a member record."""
        self._place += 2
        self._members.append((cohort, member, self._place + removed))
        if len(self._members) >= CHUNK_ROWS:
            self.flush()

    def add_profile(self, member: str, identifier: str | None) -> None:
        """Stage what a profile says about its member's identifier."""
        self._place += 2
        self._profiles.append((member, identifier, self._place))
        if len(self._profiles) >= CHUNK_ROWS:
            self.flush()

    def flush(self) -> None:
        """Give what is held to the database."""
        self._write("staged_received", "cohort, member, change", self._members)
        self._write("staged_profiles_received", "member, identifier, place", self._profiles)

    def settle(self) -> None:
        """Find out who is wanted, once everything has been staged."""
        self.flush()
        self._run(_LIST)
        if self._joined:
            self._run(_LAST_PROFILES)
            _WANTED_TABLE.create(self._connection, checkfirst=False)
            self._run(_WANT_PROFILES)
        else:
            self._run(_WANT_MEMBERS)
        self._connection.commit()
        self._analyze(*_ANALYZED[: None if self._joined else -2])

    def counts(self) -> dict[int, StagedCounts]:
        """Count the staged members by cohort; those of whom none came are missing."""
        rows = self._connection.execute(sa.text(_COUNT), {"joined": int(self._joined)})
        return {cohort: StagedCounts(*numbers) for cohort, *numbers in rows}

    def without_identifier(self) -> Iterator[tuple[int, str]]:
        """Yield cohort and member of all whose profile has no identifier, or did not come."""
        if not self._joined:
            return
        rows = self._connection.execute(
            sa.text(_WITHOUT_IDENTIFIER), execution_options={"yield_per": CHUNK_ROWS}
        )
        yield from rows.tuples()

    def diff(
        self, cohort: int, known: KnownList | None, generation: int, former: Iterable[KnownList]
    ) -> tuple[int, int]:
        """Find what Braze is to be told about a cohort.

        Args:
            cohort: Its number.
            known: What Braze knows it by, if anything.
            generation: Members acknowledged in an earlier one are added again.
            former: What it was known by before.

        Returns:
            How many to add, how many to remove.
        """
        values = self._values(cohort, known) | {"generation": generation}
        adds = self._run(_DIFF_ADDS, values)
        if self._changes:
            adds += self._run(_DIFF_DUE_ADDS, values)
            for other in former:
                adds += self._run(_DIFF_CARRIED_ADDS, values | {"former": other.id})
        removals = self._run(_DIFF_STATED_REMOVALS if self._changes else _DIFF_REMOVALS, values)
        self._connection.commit()
        return adds, removals

    def leaving(self, cohort: int, known: KnownList) -> int:
        """Count who is in a known list and not wanted in a cohort."""
        count = self._connection.scalar(sa.text(_COUNT_LEAVING), self._values(cohort, known))
        return int(count or 0)

    def forget_refused(self, cohort: int, known: KnownList) -> None:
        """Forget those who are not wanted any more, and whom Braze never took."""
        self._run(_FORGET_REFUSED, self._values(cohort, known))
        self._connection.commit()

    def someone_staying(self, cohort: int, known: KnownList) -> str | None:
        """Find somebody whom Braze took and who is not to be removed; None if there is nobody."""
        found = self._connection.scalar(sa.text(_SOMEONE_STAYING), self._values(cohort, known))
        self._connection.commit()
        return None if found is None else str(found)

    def remove_all(self, known: KnownList) -> int:
        """Plan the removal of everybody from a list, under the number `emptying` gives.

        Returns:
            How many these are.
        """
        removals = self._run(_REMOVE_ALL, self._values(emptying(known), known))
        self._connection.commit()
        return removals

    def pages(self, cohort: int, change: Change, size: int) -> Iterator[list[str]]:
        """Yield the identifiers of a cohort's changes of one kind.

        Args:
            cohort: Its number.
            change: Adds or removals.
            size: Most in one page.
        """
        self._analyze("staged_changes")
        after = ""
        while True:
            values = {"cohort": cohort, "removed": int(change), "after": after, "size": size}
            page = list(self._connection.scalars(sa.text(_PAGE), values))
            self._connection.commit()
            if not page:
                return
            yield page
            after = page[-1]

    def _analyze(self, *tables: str) -> None:
        """Tell PostgreSQL's planner how large tables are; for temporary ones nothing else does."""
        if self._connection.dialect.name == POSTGRESQL:
            for table in tables:
                self._run(f"ANALYZE {table}")
            self._connection.commit()

    def _values(self, cohort: int, known: KnownList | None) -> dict[str, int]:
        return {
            "cohort": cohort,
            "list": known.id if known else -1,
            "changes": int(self._changes),
            "unsure_removal": UNSURE_REMOVAL,
            "refused": REFUSED,
        }

    def _run(self, statement: str, values: dict[str, int] | None = None) -> int:
        return self._connection.execute(sa.text(statement), values or {}).rowcount

    def _write(self, table: str, columns: str, rows: list[Any]) -> None:
        if not rows:
            return
        if self._connection.dialect.name == POSTGRESQL:
            driver: Any = self._connection.connection.driver_connection
            with (
                driver.cursor() as cursor,
                cursor.copy(f"COPY {table} ({columns}) FROM STDIN") as copy,
            ):
                for row in rows:
                    copy.write_row(row)
            driver.commit()
        else:
            insert = f"INSERT INTO {table} ({columns}) VALUES (?, ?, ?)"  # noqa: S608 - constants
            self._connection.exec_driver_sql(insert, rows)
            self._connection.commit()
        rows.clear()
