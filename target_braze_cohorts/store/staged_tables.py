"""The temporary tables of one run, and the way of a record through them.

They are temporary tables of the run's connection. They are on disk, because millions of members do
not fit into the memory, and they disappear with the run in any case.

    staged_received            every member record, in the order of the input
        ↓ the last record of a member decides
    staged_listed              each cohort and member once, with "removed" from the last record
        ↓ a member becomes an identifier: itself, or joined from staged_profiles
    staged_wanted              each cohort and identifier once; a view if members are identifiers
        ↓ compared with braze_cohort_members, the members in Braze
    staged_changes             each change to send: queue, add or removal, identifier

    staged_profiles_received   every profile record, in the order of the input
        ↓ the last record of a member decides
    staged_profiles            each member once, with the identifier in the profile

`cohort` is a number from 1 that the intake gives to each cohort. `staged_received` packs the place
of a record in the input and its removal flag into one number, `order_and_flag`:

    order_and_flag = 2 * place + (1 if removed else 0)

Example: a member is added by record 3 and removed by record 8. The numbers are 6 and 17. The
greatest number belongs to the last record, and it is odd exactly if that record is a removal. So
`MAX(order_and_flag) % 2` gives the flag that counts, with one aggregate for each member and without
a sort or a join.
"""

from __future__ import annotations

from typing import Any, Final

import sqlalchemy as sa

from target_braze_cohorts.store.membership import IDENTIFIER

STAGED_TABLES: Final = sa.MetaData()
"""The tables that every run needs; `WANTED` is not one of them."""


def _temporary(name: str, metadata: sa.MetaData, *columns: sa.Column[Any]) -> sa.Table:
    """Define a temporary table. With a key, SQLite stores the rows in the order of the key."""
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
"""Created only if identifiers come from profiles. Otherwise `staged_wanted` is a view."""
