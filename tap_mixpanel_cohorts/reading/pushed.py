"""Read from the inbox what is newer than STATE: complete lists, or changes."""

from __future__ import annotations

import logging
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Final

import msgspec
import sqlalchemy as sa

from braze_mixpanel.errors import SettingsError
from tap_mixpanel_cohorts.inbox.database import (
    database_errors,
    make_engine,
    parse_url,
    require_inbox,
)
from tap_mixpanel_cohorts.inbox.schema import cohorts, deliveries, inbox, members, pages
from tap_mixpanel_cohorts.reading.cohort import CHANGES, MEMBERS, Block, Reading, cohort_number
from tap_mixpanel_cohorts.reading.selection import Named, choose

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_ROWS: Final = 5_000
_encode = msgspec.json.Encoder().encode
_decode_properties = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
_log = logging.getLogger("tap-mixpanel-cohorts")


@contextmanager
def open_inbox(url: str) -> Iterator[sa.Connection]:
    """Open an inbox for reading, in one transaction that does not see later changes.

    Args:
        url: The setting `inbox_db`.

    Yields:
        The connection.

    Raises:
        SettingsError: There is no inbox.
        TemporaryError: The database cannot be reached.
    """
    engine = make_engine(parse_url(url, "Setting inbox_db"), writes=False, connections=2)
    with ExitStack() as stack:
        stack.callback(engine.dispose)
        require_inbox(engine)
        stack.enter_context(database_errors())
        with engine.connect() as connection:
            yield connection


class PushedCohorts:
    """Read the cohorts of an inbox, in the order in which they were pushed."""

    def __init__(
        self,
        connection: sa.Connection,
        *,
        wanted: Sequence[str | int] | None,
        profile_properties: Sequence[str],
        progress: Mapping[str, Any],
    ) -> None:
        """Find the cohorts with news.

        Args:
            connection: A connection from `open_inbox`.
            wanted: The setting `cohorts`.
            profile_properties: The profile properties of the records.
            progress: The tap's STATE. `inbox`: the identity of the inbox. `sequence`: the number up
                to which all cohorts were read. `ahead`: cohort's row → a higher number, for cohorts
                that a run had read before it ended early. `cohorts`: the setting in that run.
        """
        self._connection = connection
        self._names = tuple(profile_properties)
        self._wanted = sorted(map(str, wanted or []))
        self._inbox = connection.execute(sa.select(inbox)).one()
        self._progress = self._usable(progress)
        rows = connection.execute(sa.select(cohorts).order_by(cohorts.c.sequence)).all()
        self._newest = max((row.sequence for row in rows), default=0)
        named = [Named(row.cohort_id, row.name) for row in rows]
        chosen, self._unknown = choose(named, wanted)
        self._knows_cohorts = bool(rows)
        self._warnings = [f"Setting cohorts: the inbox has no {line}" for line in self._unknown]
        before, _ = choose(named, self._progress.get("cohorts"))
        passed, ahead = self._progress.get("sequence", 0), self._progress.get("ahead", {})
        self._due = []
        self._coming = [row for row in rows if row.sequence == 0 and row.cohort_id in chosen]
        self._count = sum(row.sequence > 0 for row in rows)
        for row in rows:
            if row.cohort_id not in chosen:
                continue
            # A cohort that an earlier setting left out was never emitted, so it is read from the
            # start, whatever number STATE has.
            since = ahead.get(str(row.id), passed) if row.cohort_id in before else 0
            if row.sequence > since:
                self._due.append((row, since))
            if since == 0 < row.sequence and not row.is_complete:
                self._warnings.append(
                    f"Cohort {row.cohort_id} ({row.name}) comes as changes: the inbox has not "
                    "received its complete list. To get it, delete the cohort's sync in Mixpanel "
                    "and add it again."
                )
        self.incomplete: dict[str, str] = {}
        """Always empty: an inbox holds no incomplete cohorts."""

    @property
    def passed_sequence(self) -> int:
        """The number in the STATE that the run began with. Changes up to it are not needed."""
        return int(self._progress.get("sequence", 0))

    def readings(self) -> Iterator[Reading]:
        """Yield the cohorts with news. Emit each cohort before asking for the next one."""
        self._warn_of_properties()
        for warning in self._warnings:
            _log.warning(warning)
        for row in self._coming:
            _log.info(
                "Cohort %s (%s) is not sent yet: %d of %d pages of its first list have arrived.",
                row.cohort_id,
                row.name,
                *self._pages_of(row),
            )
        _log.info("The inbox knows %d cohorts; %d have news.", self._count, len(self._due))
        ahead: dict[str, int] = dict(self._progress.get("ahead", {}))
        for place, (row, since) in enumerate(self._due, 1):
            ahead[str(row.id)] = row.sequence
            last = place == len(self._due)
            progress = self._state(self._newest, {}) if last else self._state(None, ahead)
            yield self._reading(row, since, progress)

    def failure(self) -> SettingsError | None:
        """Return the error about cohorts in the settings that were never pushed, or None.

        Before the first push there is no error.
        """
        if not (self._unknown and self._knows_cohorts):
            return None
        return SettingsError(
            f"Setting cohorts: the inbox has no {'; no '.join(self._unknown)}. Correct it, or add "
            "the cohort's sync in Mixpanel. All others were sent."
        )

    def final_progress(self) -> dict[str, Any]:
        """Return the value for STATE after all records."""
        return self._state(self._newest, {})

    def _pages_of(self, row: sa.Row[Any]) -> tuple[int, int]:
        """Return how many pages of a cohort's newest delivery have arrived, and how many it has."""
        newest = (
            sa.select(sa.func.count(pages.c.page), deliveries.c.total_pages)
            .select_from(deliveries)
            .outerjoin(pages, pages.c.delivery == deliveries.c.id)
            .where(deliveries.c.cohort == row.id)
            .group_by(deliveries.c.id, deliveries.c.total_pages)
            .order_by(deliveries.c.id.desc())
        )
        found = self._connection.execute(newest.limit(1)).first()
        return (0, 0) if found is None else (found[0], found[1])

    def _state(self, sequence: int | None, ahead: Mapping[str, int]) -> dict[str, Any]:
        state: dict[str, Any] = {
            "inbox": self._inbox.identity,
            "sequence": self.passed_sequence if sequence is None else sequence,
        }
        if self._wanted:
            state["cohorts"] = self._wanted
        if ahead:
            state["ahead"] = dict(ahead)
            # Until the run is at its end, the setting of the run before decides which cohorts
            # count as emitted.
            state.pop("cohorts", None)
            if self._progress.get("cohorts"):
                state["cohorts"] = self._progress["cohorts"]
        return state

    def _usable(self, progress: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return STATE, or an empty STATE if it belongs to another or to a later inbox."""
        if not progress:
            return {}
        if progress.get("inbox") != self._inbox.identity:
            _log.warning("STATE belongs to another inbox: every cohort is sent from the start.")
            return {}
        if progress.get("sequence", 0) > self._inbox.sequence:
            _log.warning(
                "STATE is ahead of the inbox, which was restored from an older copy: every cohort "
                "is sent from the start."
            )
            return {}
        return progress

    def _reading(self, row: sa.Row[Any], since: int, progress: dict[str, Any]) -> Reading:
        # A complete list is emitted if STATE has not read this list yet, or if rows of people who
        # left were deleted after STATE: their removal cannot be emitted as a change any more.
        is_list = row.is_complete and (
            since == 0 or row.list_sequence > since or row.purged_sequence > since
        )
        here = members.c.list_id == row.list_id
        count = None
        if is_list:
            chosen = sa.and_(here, members.c.is_member)
            count = self._connection.scalar(sa.select(sa.func.count()).where(chosen))
        else:
            changed = sa.and_(here, members.c.sequence > 0, members.c.sequence > since)
            # A new list that is not complete is emitted as changes: all its rows, not only the
            # changed ones.
            chosen = here if row.list_sequence > since else changed
        number = cohort_number(row.cohort_id)
        return Reading(
            stream=MEMBERS if is_list else CHANGES,
            blocks=self._blocks(number, chosen, with_flag=not is_list),
            cohort={
                "id": number,
                "name": row.name,
                "description": row.description,
                "created": None,
                "count": count,
                "is_visible": None,
                "project_id": cohort_number(row.project_id),
            },
            progress=progress,
        )

    def _blocks(
        self, number: int | str, chosen: sa.ColumnElement[bool], *, with_flag: bool
    ) -> Iterator[Block]:
        statement = (
            sa.select(members.c.distinct_id, members.c.properties, members.c.is_member)
            .where(chosen)
            .order_by(members.c.list_id, members.c.distinct_id)
        )
        rows = self._connection.execution_options(yield_per=_ROWS).execute(statement)
        for part in rows.partitions(_ROWS):
            lines = [self._line(number, row, with_flag=with_flag) for row in part]
            yield Block(b"".join(lines), len(lines))

    def _line(self, number: int | str, row: sa.Row[Any], *, with_flag: bool) -> bytes:
        record: dict[str, Any] = {"cohort_id": number, "distinct_id": row.distinct_id.decode()}
        if self._names:
            kept = _decode_properties(row.properties) if row.properties else {}
            record |= {name: kept.get(name) for name in self._names}
        if with_flag:
            record["should_remove"] = not row.is_member
        return _encode(record) + b"\n"

    def _warn_of_properties(self) -> None:
        kept = msgspec.json.decode(self._inbox.profile_properties, type=list[str])
        missing = [name for name in self._names if name not in kept]
        if missing:
            _log.warning(
                "The inbox does not keep %s, so it is null in every record: name it in "
                "--profile-properties of mixpanel-cohort-inbox and under Properties to Export in "
                "Mixpanel.",
                ", ".join(missing),
            )


def note_passed(url: str, sequence: int) -> None:
    """Store in the inbox up to which number STATE has read, so that older rows can be deleted.

    If this user may not write to the database, nothing is stored.

    Args:
        url: The setting `inbox_db`.
        sequence: The number in STATE.
    """
    engine = make_engine(parse_url(url, "Setting inbox_db"), writes=True, connections=1)
    try:
        with engine.begin() as connection:
            connection.execute(
                inbox.update()
                .where(inbox.c.passed_sequence < sequence)
                .values(passed_sequence=sequence)
            )
    except sa.exc.DBAPIError as error:
        _log.debug("The inbox cannot be written: %s", type(error.orig).__name__)
    finally:
        engine.dispose()
