"""The temporary tables of one run, and how a record moves through them.

The tables are temporary tables of the run's own connection: on disk, because millions of members
do not fit into memory, and gone with the run however it ends.

    staged_received            every member record, in the order of the input
        ↓ the last record of a member decides
    staged_listed              each cohort and member once, with "removed" from the last record
        ↓ a member becomes an identifier: itself, or joined from staged_profiles
    staged_wanted              each cohort and identifier once; a view if members are identifiers
        ↓ compared with braze_cohort_members, which holds what Braze has
    staged_changes             each request still to send: queue, add or removal, identifier

    staged_profiles_received   every profile record, in the order of the input
        ↓ the last record of a member decides
    staged_profiles            each member once, with the identifier in the profile

A cohort goes by a number from 1 that the intake gives it. `staged_received` packs a record's place
in the input and its removal flag into one number, `order_and_flag`:

    order_and_flag = 2 * place + (1 if removed else 0)

The greatest number of a member belongs to the last record, and its parity is that record's flag.
So one `MAX(order_and_flag) % 2` per member, without a sort or a join, gives the flag that counts.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from target_braze_cohorts.store.membership import IDENTIFIER

STAGED_TABLES: Final = sa.MetaData()
"""The tables that every run needs; `WANTED` is not one of them."""


def _temporary(name: str, metadata: sa.MetaData, *columns: sa.Column[Any]) -> sa.Table:
    """Define a temporary table; SQLite stores a table with a key in the order of that key."""
    keyed = any(column.primary_key for column in columns)
    return sa.Table(name, metadata, *columns, prefixes=["TEMPORARY"], sqlite_with_rowid=not keyed)


def _key(name: str, kind: sa.Integer | sa.Text) -> sa.Column[Any]:
    return sa.Column(name, kind, primary_key=True, autoincrement=False)


_temporary(
    "staged_received",
    STAGED_TABLES,
    sa.Column("cohort", sa.Integer, nullable=False),
    sa.Column("member", IDENTIFIER, nullable=False),
    sa.Column("order_and_flag", sa.BigInteger, nullable=False),
)
_temporary(
    "staged_listed",
    STAGED_TABLES,
    _key("cohort", sa.Integer()),
    _key("member", IDENTIFIER),
    sa.Column("removed", sa.Integer, nullable=False),
)
_temporary(
    "staged_profiles_received",
    STAGED_TABLES,
    sa.Column("member", IDENTIFIER, nullable=False),
    sa.Column("identifier", IDENTIFIER),
    sa.Column("place", sa.BigInteger, nullable=False),
)
_temporary(
    "staged_profiles",
    STAGED_TABLES,
    _key("member", IDENTIFIER),
    sa.Column("identifier", IDENTIFIER),
)
_temporary(
    "staged_changes",
    STAGED_TABLES,
    _key("queue", sa.Integer()),
    _key("removed", sa.Integer()),
    _key("identifier", IDENTIFIER),
)

WANTED: Final = _temporary(
    "staged_wanted",
    sa.MetaData(),
    _key("cohort", sa.Integer()),
    _key("identifier", IDENTIFIER),
    sa.Column("removed", sa.Integer, nullable=False),
)
"""Made only if identifiers come from profiles; otherwise `staged_wanted` is a view."""
