"""The tables of the inbox.

Nothing else of a person is kept than the distinct id and the properties that were chosen. Ids are
bytes: they compare alike in SQLite and PostgreSQL, whatever the collation, and may hold any
character.
"""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

VERSION: Final = 1
metadata = sa.MetaData()
_Number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

inbox = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("identity", sa.Text, nullable=False),
    sa.Column("sequence", _Number, nullable=False),
    sa.Column("passed_sequence", _Number, nullable=False),
    sa.Column("profile_properties", sa.Text, nullable=False),
)
"""One row. `sequence` numbers what was applied; STATE of the tap has passed `passed_sequence`."""

cohorts = sa.Table(
    "cohorts",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("project_id", sa.Text, nullable=False),
    sa.Column("cohort_id", sa.Text, nullable=False),
    sa.Column("name", sa.Text, nullable=False),
    sa.Column("description", sa.Text, nullable=False),
    sa.Column("sequence", _Number, nullable=False, default=0),
    sa.Column("list_id", _Number),
    sa.Column("list_action", sa.Text),
    sa.Column("list_sequence", _Number, nullable=False, default=0),
    sa.Column("list_session", _Number, nullable=False, default=0),
    sa.Column("is_complete", sa.Boolean, nullable=False, default=False),
    sa.Column("purged_sequence", _Number, nullable=False, default=0),
    sa.Column("session", _Number, nullable=False, default=0),
    sa.Column("previous_session", _Number, nullable=False, default=0),
    sa.UniqueConstraint("project_id", "cohort_id"),
)
"""`sequence` is that of the last change. Rows of `members` with `list_id` are the current list;
`is_complete` says that it holds everybody, and not only those who came as changes. `session` is
the last export that was applied, `previous_session` the one before."""

deliveries = sa.Table(
    "deliveries",
    metadata,
    sa.Column("id", _Number, primary_key=True),
    sa.Column("cohort", _Number, nullable=False),
    sa.Column("session_id", sa.Text, nullable=False),
    sa.Column("action", sa.Text, nullable=False),
    sa.Column("total_pages", sa.Integer, nullable=False),
    sa.Column("session", _Number, nullable=False, default=0),
    sa.Column("is_complete", sa.Boolean, nullable=False, default=False),
    sa.Column("has_failed", sa.Boolean, nullable=False, default=False),
    sa.Column("has_rows", sa.Boolean, nullable=False, default=True),
    sa.Column("sequence", _Number, nullable=False, default=0),
    sa.Column("changed_at", _Number, nullable=False),
    sa.UniqueConstraint("cohort", "session_id", "action", "total_pages"),
    sqlite_autoincrement=True,
)
"""One action of one export. `session` numbers the exports in the order in which they began;
`has_failed` says that the export failed in Mixpanel's eyes and is not undone in full yet."""

pages = sa.Table(
    "pages",
    metadata,
    sa.Column("delivery", _Number, primary_key=True, autoincrement=False),
    sa.Column("page", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The pages of deliveries that are not complete yet."""

members = sa.Table(
    "members",
    metadata,
    sa.Column("list_id", _Number, primary_key=True, autoincrement=False),
    sa.Column("distinct_id", sa.LargeBinary, primary_key=True),
    sa.Column("properties", sa.LargeBinary),
    sa.Column("page", sa.Integer, nullable=False),
    sa.Column("is_member", sa.Boolean, nullable=False, default=True),
    sa.Column("sequence", _Number, nullable=False, default=0),
    sa.Column("session", _Number, nullable=False, default=0),
    sa.Column("was_member", sa.Boolean, nullable=False, default=False),
    sqlite_with_rowid=False,
)
"""The people of a list. A delivery's pages are staged under its own id; when a full list is
complete, the cohort's `list_id` becomes that id, so that no row is copied. `sequence` is that of
the last difference that changed the row, 0 if none did; `was_member` is what the row said before
`session`."""

sa.Index(
    "members_changed",
    members.c.list_id,
    members.c.sequence,
    sqlite_where=members.c.sequence > 0,
    postgresql_where=members.c.sequence > 0,
)
