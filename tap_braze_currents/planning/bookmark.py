"""Remembers which files of a stream are done. Pure: no I/O, no clock.

The state of a stream:

    version            of this form
    first_run          when the first run began: it saw everything that was there by then
    start_hour         the first hour that was looked at; empty: all
    shortest_lookback  the smallest `lookback_hours` of all runs
    sealed_hour        everything from the start up to and including this hour is done
    newest_hour        the newest hour from which a file was read
    read               files read in the hours still open (`coded_names` says how they are written)
    pending            listed files that are not read yet, whatever their hour: they were broken, or
                       too young when their hour was sealed
    late               files of sealed hours that a sweep, or a run that had them pending, has read;
                       the next sweep need not read them again
    in_doubt           files that were read while their hour was open, though their time of
                       modification does not prove it; no sweep need read them again. null once
                       there were too many: the bucket was copied, and a sweep reads them again
    paths              files read in another layout, each by its path: without hours nothing can be
                       sealed, so this list grows with the bucket
    shared             files of another layout that hold events of several streams (JSON), or only
                       of streams that are not selected: their event types, so that no run opens
                       the file again just to learn them. One of the streams remembers all types
                       of a file, the others remember none

Every part is always present and none is a mapping: Meltano merges the state of a `--full-refresh`
into the old one, mapping by mapping, and entries dropped on purpose would return.

The size depends on the lookback and on the number of files an hour, not on the history.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.times import read_time
from tap_braze_currents.bucket.layout import FileKey, is_hour, paths_in, shift, to_datetime
from tap_braze_currents.planning.coded_names import decode_names, encode_names, texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

VERSION = 2
_VERSIONS = (1, VERSION)
"""Version 1 named each file in full."""
CLOCKS_DIFFER_BY = timedelta(minutes=10)
"""Allowed between this machine's clock and the clock of the bucket's service."""
MOST_LATE_FILES = 1000
"""The oldest are forgotten beyond it; another sweep reads them again."""
MOST_FILES_IN_DOUBT = 100
"""Beyond it none is named: the times of modification of a copied bucket are all new."""
MOST_PENDING_FILES = 1000
"""Beyond it the hours of unread files stay open instead."""


class Bookmark:
    """The files of one stream that need not be read again."""

    def __init__(
        self,
        *,
        most_late_files: int = MOST_LATE_FILES,
        most_pending_files: int = MOST_PENDING_FILES,
    ) -> None:
        """Start with nothing read.

        Args:
            most_late_files: How many late files the state may name.
            most_pending_files: How many pending files the state may name.
        """
        self.is_new = True
        """Whether no earlier run left a state."""
        self.first_run: datetime | None = None
        self.start_hour = ""
        self.shortest_lookback: int | None = None
        self.sealed_hour = ""
        self.newest_hour = ""
        """The newest hour from which a file was read."""
        self._shared: dict[str, list[str]] = {}
        self._most_late_files = most_late_files
        self._most_pending_files = most_pending_files
        self._read: dict[tuple[str, str], set[str]] = {}
        """(folder, hour) → names."""
        self._pending: set[FileKey] = set()
        self._late: set[FileKey] = set()
        self._in_doubt: set[FileKey] | None = set()
        self._paths: set[str] = set()

    @classmethod
    def from_state(
        cls,
        state: Mapping[str, Any],
        *,
        most_late_files: int = MOST_LATE_FILES,
        most_pending_files: int = MOST_PENDING_FILES,
    ) -> Bookmark:
        """Read what `to_state` wrote; an empty state is a new start.

        Args:
            state: The state of one stream.
            most_late_files: How many late files the state may name.
            most_pending_files: How many pending files the state may name.

        Raises:
            SettingsError: This version does not know the form of the state.
        """
        bookmark = cls(most_late_files=most_late_files, most_pending_files=most_pending_files)
        if not state:
            return bookmark
        if state.get("version") not in _VERSIONS:
            raise SettingsError(
                f"The state has version {state.get('version')!r}, this tap knows {VERSION}: "
                "use the tap that wrote it, or start over with --full-refresh."
            )
        try:
            bookmark._restore(state)
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise SettingsError(
                f"The state of a stream cannot be understood ({error}): start over with "
                "--full-refresh."
            ) from error
        return bookmark

    def _restore(self, state: Mapping[str, Any]) -> None:
        self.is_new = False
        self.first_run = _moment(state.get("first_run"))
        self.start_hour = _hour(state.get("start_hour", ""))
        shortest = state.get("shortest_lookback")
        self.shortest_lookback = shortest if shortest is None else int(shortest)
        self.sealed_hour = _hour(state.get("sealed_hour", ""))
        self._read = decode_names(state.get("read", []))
        self._pending = _keys(state.get("pending", []))
        self._late = _keys(state.get("late", []))
        doubtful = state.get("in_doubt", [])
        self._in_doubt = None if doubtful is None else _keys(doubtful)
        self._paths = set(texts(state.get("paths", [])))
        self._shared = {
            str(entry["path"]): texts(entry["event_types"]) for entry in state.get("shared", [])
        }
        self.newest_hour = max(
            [_hour(state.get("newest_hour", "")), *(hour for _, hour in self._read)]
        )

    def to_state(self) -> dict[str, Any]:
        """Return the state as JSON values: the same for the same files in any order."""
        return {
            "version": VERSION,
            "first_run": self.first_run and self.first_run.isoformat(timespec="seconds"),
            "start_hour": self.start_hour,
            "shortest_lookback": self.shortest_lookback,
            "sealed_hour": self.sealed_hour,
            "newest_hour": self.newest_hour,
            "read": encode_names(self._read),
            "pending": _listed(self._pending),
            "late": _listed(self._late),
            "in_doubt": None if self._in_doubt is None else _listed(self._in_doubt),
            "paths": sorted(self._paths),
            "shared": [
                {"path": path, "event_types": types} for path, types in sorted(self._shared.items())
            ],
        }

    def begin_run(self, now: datetime, start_hour: str, lookback_hours: int) -> None:
        """Note the settings of this run.

        Args:
            now: When it begins.
            start_hour: The first hour that it looks at; empty: all.
            lookback_hours: How long it keeps hours open.
        """
        if self.is_new:
            self.first_run, self.start_hour = now, start_hour
        known = self.shortest_lookback
        self.shortest_lookback = lookback_hours if known is None else min(known, lookback_hours)

    def mark_swept(self, start_hour: str) -> None:
        """Note that a sweep has read everything from this hour on; empty: from the first on."""
        self.start_hour = min(self.start_hour, start_hour)
        if self._in_doubt is None:
            # The next sweep of a copied bucket reads all of it again, these few files or not.
            self._late.clear()

    def is_done(self, key: FileKey) -> bool:
        """Return whether a file need not be read."""
        if not key.hour:
            return key.name in self._paths or key.name in self._shared
        # A sealed hour is done as a whole, except for the files that are named as pending.
        if key in self._pending:
            return False
        if key.hour <= self.sealed_hour:
            return True
        return key.name in self._read.get((key.folder, key.hour), ())

    def may_be_late(self, key: FileKey, modified: datetime | None) -> bool:
        """Return whether a file may have arrived after its hour was sealed.

        When in doubt, the answer is yes: reading a file again is safe, skipping one is not.

        Args:
            key: The file.
            modified: When the store last wrote it; None if the store does not say.
        """
        if not key.hour:
            return False
        if modified is None or self.first_run is None or key.hour < self.start_hour:
            return True
        # The names of the files in a sealed hour are dropped, so the time of modification decides.
        # No run seals an hour before its lookback is over, and the first run saw everything that
        # was there. A file that is older than both was seen while its hour was open.
        sealed_from = to_datetime(shift(key.hour, self.shortest_lookback or 0))
        return modified + CLOCKS_DIFFER_BY > max(self.first_run, sealed_from)

    def is_missed(self, key: FileKey, modified: datetime | None) -> bool:
        """Return whether no run may have read this file of a sealed hour: a sweep reads those."""
        return (
            bool(key.hour)
            and key.hour <= self.sealed_hour
            and key not in self._late
            and key not in (self._in_doubt or ())
            and self.may_be_late(key, modified)
        )

    def paths_read(self, event_type: str) -> set[str]:
        """Return the paths below the prefix of the files read in open hours."""
        return {
            path
            for (folder, hour), names in self._read.items()
            for path in paths_in(event_type, folder, hour, names)
        }

    def pending(self) -> list[FileKey]:
        """Return the files that are still to be read and need not be listed again."""
        return sorted(self._pending)

    def mark_read(
        self, key: FileKey, *, late: bool = False, event_types: Sequence[str] | None = None
    ) -> None:
        """Note that every record of a file has been written.

        Args:
            key: The file.
            late: By its time of modification, its hour may have been sealed before it arrived.
            event_types: What to remember of the types in a file that holds several, see
                `FilesByPath.types_to_remember`; None for a file of one type.
        """
        self._pending.discard(key)
        if not key.hour and event_types is not None:
            self.mark_shared(key, event_types)
            return
        if not key.hour:
            self._paths.add(key.name)
            return
        self.newest_hour = max(self.newest_hour, key.hour)
        if key.hour > self.sealed_hour:
            self._read.setdefault((key.folder, key.hour), set()).add(key.name)
            if late and self._in_doubt is not None:
                self._in_doubt.add(key)
                if len(self._in_doubt) > MOST_FILES_IN_DOUBT:
                    self._in_doubt = None
        elif late:
            self._late.add(key)
            for forgotten in sorted(self._late)[: -self._most_late_files]:
                self._late.discard(forgotten)

    def mark_shared(self, key: FileKey, event_types: Iterable[str]) -> None:
        """Note which event types a file of another layout holds: this stream is done with it."""
        self._shared[key.name] = sorted(event_types)

    def shared_types(self, key: FileKey) -> list[str] | None:
        """Return the event types that this stream remembers of a file with several, see `shared`.

        Returns:
            None if the stream has not read the file, or it is a file of one type.
        """
        return self._shared.get(key.name)

    def mark_failed(self, key: FileKey) -> None:
        """Note that a file could not be read; the next run begins with it."""
        if key.hour and len(self._pending) < self._most_pending_files:
            self._pending.add(key)

    def mark_gone(self, key: FileKey) -> None:
        """Note that a file no longer exists."""
        self._pending.discard(key)

    def seal(self, lookback_hours: int, latest_hour: str, unread: Iterable[FileKey] = ()) -> None:
        """Seal the hours that lie further back than the lookback from the newest hour read.

        Args:
            lookback_hours: How long an hour stays open.
            latest_hour: The last hour that may count as the newest: the present one, since a folder
                dated in the future must not seal the present, or the one that the run has reached.
            unread: Listed files that are still to be read; they become pending one by one.
        """
        if not self.newest_hour:
            return
        # Sealing follows the files, never the clock alone: a connector that stood still for a week
        # and then delivers finds its hours open.
        seal = shift(min(self.newest_hour, latest_hour), -lookback_hours - 1)
        new = {key for key in unread if key.hour and key.hour <= seal} - self._pending
        # Too many unread files to name each: seal only up to the hour before the oldest of them.
        if new and len(self._pending) + len(new) > self._most_pending_files:
            seal = min(seal, shift(min(new).hour, -1))
        if seal <= self.sealed_hour:
            return
        self.sealed_hour = seal
        self._pending.update(key for key in new if key.hour <= seal)
        self._read = {place: names for place, names in self._read.items() if place[1] > seal}


def _listed(keys: Iterable[FileKey]) -> list[dict[str, Any]]:
    names: dict[tuple[str, str], set[str]] = {}
    for key in keys:
        names.setdefault((key.folder, key.hour), set()).add(key.name)
    return encode_names(names)


def _keys(coded: Iterable[Mapping[str, Any]]) -> set[FileKey]:
    return {
        FileKey(hour, folder, name)
        for (folder, hour), names in decode_names(coded).items()
        for name in names
    }


def _hour(text: str) -> str:
    if text and not is_hour(text):
        raise ValueError(f"{text!r} is no hour")
    return text


def _moment(text: str | None) -> datetime | None:
    return read_time(text) if text else None
