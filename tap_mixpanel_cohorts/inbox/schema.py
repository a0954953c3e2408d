"""The tables of the inbox.

Of a person, only the distinct id and the chosen properties are stored. Ids are stored as bytes: so
they compare in the same way in SQLite and PostgreSQL, with any collation, and may hold any
character.

How a push moves through the tables: each page is staged in `members` under the id of its delivery,
and noted in `pages`. When the last page of a delivery has arrived, `applying` either makes the
staged rows the cohort's list, or merges them into the list, and gives the change a new `sequence`.
The tap then reads rows with a sequence above the one in its STATE.
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
"""One row for the whole inbox. `sequence` is the number of the last applied delivery.
`passed_sequence` is the number up to which the tap's STATE has read."""

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
"""One row for each cohort. `sequence` is the number of its last change. The rows of `members` with
this `list_id` are the current list; a negative `list_id` is a list that was built from changes
only, see `applying`. `is_complete` is true if the list holds all members of the cohort. `session`
is the last export that was applied, and `previous_session` the export before it. `purged_sequence`
is the number up to which rows of people who left were deleted."""

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
"""One row for each action of each export. `session` numbers the exports in the order in which they
began. `has_failed` is true if the export has failed for Mixpanel and is not completely undone."""

pages = sa.Table(
    "pages",
    metadata,
    sa.Column("delivery", _Number, primary_key=True, autoincrement=False),
    sa.Column("page", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)
"""The pages that have arrived of deliveries that are not complete yet."""

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
"""The people of a list. The pages of a delivery are staged with `list_id` = id of the delivery.
When a full list is complete, the cohort's `list_id` is set to this id, so that no row is copied.
`sequence` is the number of the last difference that changed the row, or 0. `was_member` is the
value of `is_member` before the export `session`."""

sa.Index(
    "members_changed",
    members.c.list_id,
    members.c.sequence,
    sqlite_where=members.c.sequence > 0,
    postgresql_where=members.c.sequence > 0,
)
