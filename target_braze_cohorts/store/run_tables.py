"""Create all tables of one run. They use the same connection."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from target_braze_cohorts.store.membership import MembershipStore
from target_braze_cohorts.store.staged_changes import StagedChanges
from target_braze_cohorts.store.staging import Staging

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True, kw_only=True)
class RunTables:
    """The known membership, the staged input, and the changes between them.

    Attributes:
        membership: The members whom Braze acknowledged. These tables stay in the database.
        staging: The input. These tables disappear with the connection.
        changes: The changes to send. This table disappears with the connection.
    """

    membership: MembershipStore
    staging: Staging
    changes: StagedChanges


def create_tables(
    connection: Connection, workspace: str, *, joined: bool, chunk_rows: int
) -> RunTables:
    """Create the tables of a run in the database.

    Args:
        connection: A connection from `open_database`.
        workspace: The workspace of the known membership.
        joined: Whether identifiers come from profiles.
        chunk_rows: The most records of the input in memory before they are written.
    """
    tables = RunTables(
        membership=MembershipStore(connection, workspace),
        staging=Staging(connection, joined=joined, chunk_rows=chunk_rows),
        changes=StagedChanges(connection),
    )
    tables.staging.create_tables()
    tables.membership.create_tables()
    return tables
