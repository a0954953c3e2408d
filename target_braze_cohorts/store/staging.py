"""Stage the records of one run, and find the wanted members of each cohort. See `staged_tables`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import sqlalchemy as sa

from target_braze_cohorts.planning.changes import StagedCounts
from target_braze_cohorts.store.database import POSTGRESQL, SQLITE
from target_braze_cohorts.store.staged_tables import STAGED_TABLES, WANTED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_WRITE_MEMBERS: Final = {
    SQLITE: "INSERT INTO staged_received (cohort, member, order_and_flag) VALUES (?, ?, ?)",
    POSTGRESQL: "COPY staged_received (cohort, member, order_and_flag) FROM STDIN",
}
_WRITE_PROFILES: Final = {
    SQLITE: "INSERT INTO staged_profiles_received (member, identifier, place) VALUES (?, ?, ?)",
    POSTGRESQL: "COPY staged_profiles_received (member, identifier, place) FROM STDIN",
}
_FIRST: Final = 1 << 60
"""Beyond all places in an input: added to a place, it goes before all others; taken off, after."""
# Each INSERT writes in the order of the table's key. Otherwise PostgreSQL takes four times as long.
# `% 2` reads the removal flag of the last record, see `staged_tables`.
_LIST_MEMBERS = """
INSERT INTO staged_listed (cohort, member, removed)
SELECT cohort, member, MAX(order_and_flag) % 2 FROM staged_received GROUP BY cohort, member
ORDER BY cohort, member
"""
_KEEP_LAST_PROFILES = """
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
# Two members with the same identifier are one person, who has left only if both members have left.
_WANT_IDENTIFIERS = """
INSERT INTO staged_wanted (cohort, identifier, removed)
SELECT listed.cohort, profiles.identifier, MIN(listed.removed)
FROM staged_listed AS listed JOIN staged_profiles AS profiles ON profiles.member = listed.member
WHERE profiles.identifier IS NOT NULL
GROUP BY listed.cohort, profiles.identifier
ORDER BY listed.cohort, profiles.identifier
"""
_ANALYZE_MEMBERS: Final = ("ANALYZE braze_cohort_members", "ANALYZE staged_listed")
_ANALYZE_PROFILES: Final = ("ANALYZE staged_profiles", "ANALYZE staged_wanted")
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


class Staging:
    """Hold the members and profiles of one run in temporary tables."""

    def __init__(self, connection: sa.Connection, *, joined: bool, chunk_rows: int) -> None:
        """Start without records. Call `create_tables` next.

        Args:
            connection: The connection of the membership store.
            joined: Whether identifiers come from profiles. Otherwise the member id is the
                identifier.
            chunk_rows: The most records in memory before they are written.
        """
        self._connection = connection
        self._joined = joined
        self._chunk_rows = chunk_rows
        self._members: list[tuple[int, str, int]] = []
        self._profiles: list[tuple[str, str | None, int]] = []
        self._place = 0

    @property
    def records(self) -> int:
        """The number of staged members and profiles."""
        return self._place // 2

    def create_tables(self) -> None:
        """Create the temporary tables of the run."""
        STAGED_TABLES.create_all(self._connection, checkfirst=False)
        self._connection.commit()

    def add_member(self, cohort: int, member: str, *, removed: bool) -> None:
        """Stage a member record.

        Args:
            cohort: The number of the cohort, from 1.
            member: The id of the member.
            removed: Whether the record is a removal.
        """
        # Places are even numbers, so that the removal flag fits into the last bit, see
        # `staged_tables`.
        self._place += 2
        self._members.append((cohort, member, self._place + removed))
        if len(self._members) >= self._chunk_rows:
            self.flush()

    def add_profile(self, member: str, identifier: str | None, *, of_record: bool = False) -> None:
        """Stage a member's identifier.

        Args:
            member: The member's id.
            identifier: As the profile or the record has it; None if it has none.
            of_record: Whether it stands in a record of the member. One in a record goes before
                those in profiles, wherever these are in the input; none there is looked up in the
                profiles.
        """
        self._place += 2
        rank = (_FIRST if identifier else -_FIRST) if of_record else 0
        self._profiles.append((member, identifier, self._place + rank))
        if len(self._profiles) >= self._chunk_rows:
            self.flush()

    def flush(self) -> None:
        """Write the records in memory to the database."""
        self._write(_WRITE_MEMBERS, self._members)
        self._write(_WRITE_PROFILES, self._profiles)

    def settle(self) -> None:
        """Find the wanted members of each cohort. Call it at the end of the input."""
        self.flush()
        self._run(_LIST_MEMBERS)
        if self._joined:
            self._run(_KEEP_LAST_PROFILES)
            WANTED.create(self._connection, checkfirst=False)
            self._run(_WANT_IDENTIFIERS)
        else:
            self._run(_WANT_MEMBERS)
        self._connection.commit()
        # PostgreSQL knows the size of a temporary table only after ANALYZE. Without it, the query
        # planner would choose joins for small tables.
        if self._connection.dialect.name == POSTGRESQL:
            for statement in (*_ANALYZE_MEMBERS, *(_ANALYZE_PROFILES if self._joined else ())):
                self._run(statement)
            self._connection.commit()

    def counts(self) -> dict[int, StagedCounts]:
        """Return cohort number → numbers of staged members. Empty cohorts are missing."""
        rows = self._connection.execute(sa.text(_COUNT), {"joined": int(self._joined)})
        return {cohort: StagedCounts(*numbers) for cohort, *numbers in rows}

    def without_identifier(self) -> Iterator[tuple[int, str]]:
        """Yield (cohort number, member) for each member without an identifier."""
        if not self._joined:
            return
        rows = self._connection.execute(
            sa.text(_WITHOUT_IDENTIFIER), execution_options={"yield_per": self._chunk_rows}
        )
        yield from rows.tuples()

    def _run(self, statement: str) -> None:
        self._connection.execute(sa.text(statement))

    def _write(self, statements: Mapping[str, str], rows: list[Any]) -> None:
        """Write rows in the fastest way of the database, and clear the list.

        Args:
            statements: Dialect → statement. For PostgreSQL it is a COPY, which the driver runs
                directly, without SQLAlchemy.
            rows: Tuples in the order of the statement's columns.
        """
        if not rows:
            return
        connection = self._connection
        statement = statements[connection.dialect.name]
        if connection.dialect.name == POSTGRESQL:
            driver: Any = connection.connection.driver_connection
            with driver.cursor() as cursor, cursor.copy(statement) as copy:
                for row in rows:
                    copy.write_row(row)
            driver.commit()
        else:
            connection.exec_driver_sql(statement, rows)
            connection.commit()
        rows.clear()
