"""Keep which files of a stream have been read. Pure: no I/O, no clock.

An hour is open while new files may still arrive in its folder. The bookmark names each file read in
an open hour. After the lookback, the hour is sealed: all its files count as read, and their names
are dropped. So the size of the state depends on the lookback and on the number of files in an hour,
not on the length of the history.

The state of a stream:

    version            the version of this format
    first_run          when the first run began: it read everything that existed at that time
    start_hour         the first hour that was read; empty: all hours
    shortest_lookback  the smallest `lookback_hours` of all runs
    sealed_hour        all hours from the start up to and including this one are sealed
    newest_hour        the newest hour from which a file was read
    read               files read in open hours (`coded_names` describes how they are written)
    pending            files that are listed but not read yet, in any hour: they were broken, or too
                       young when their hour was sealed
    late               files of sealed hours that a sweep has read, or a run that had them as
                       pending; the next sweep does not read them again
    in_doubt           files that were read while their hour was open, but that look late by their
                       modification time; no sweep reads them again. null once there were too many:
                       then the bucket was copied, and a sweep reads these files again
    paths              files read in another layout, by path; without hours no file can be sealed,
                       so this list grows with the bucket
    shared             files of another layout that hold events of several streams (JSON), or only
                       of streams that are not selected, with their event types. So no run opens
                       the file again just to find its types. One stream keeps all types of a file,
                       the others keep an empty list

All keys are always present, and no value is a mapping: Meltano merges the state of a
`--full-refresh` into the old state, mapping by mapping, and removed entries would return.
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
"""Version 1 wrote each file name in full. It can still be read."""
CLOCKS_DIFFER_BY = timedelta(minutes=10)
"""The allowed difference between the clocks of this machine and of the bucket's service."""
MOST_LATE_FILES = 1000
"""Beyond this number the oldest are dropped, and another sweep reads them again."""
MOST_FILES_IN_DOUBT = 100
"""Beyond this number none is kept: in a copied bucket, all modification times are new."""
MOST_PENDING_FILES = 1000
"""Beyond this number, hours with unread files stay open instead."""


class Bookmark:
    """The files of one stream that need not be read again."""

    def __init__(
        self,
        *,
        most_late_files: int = MOST_LATE_FILES,
        most_pending_files: int = MOST_PENDING_FILES,
    ) -> None:
        """Create a bookmark without any file.

        Args:
            most_late_files: The most late files to keep.
            most_pending_files: The most pending files to keep.
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
        """Read the result of `to_state`. An empty state gives a new bookmark.

        Args:
            state: The state of one stream.
            most_late_files: The most late files to keep.
            most_pending_files: The most pending files to keep.

        Raises:
            SettingsError: The state has an unknown version or is damaged.
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
                f"The state of a stream cannot be read ({error}): start over with --full-refresh."
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
        """Return the state as JSON values. The order in which files were read does not matter."""
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
        """Record the settings of this run.

        Args:
            now: When the run begins.
            start_hour: The first hour to read. Empty: all hours.
            lookback_hours: How many hours an hour stays open.
        """
        if self.is_new:
            self.first_run, self.start_hour = now, start_hour
        known = self.shortest_lookback
        self.shortest_lookback = lookback_hours if known is None else min(known, lookback_hours)

    def mark_swept(self, start_hour: str) -> None:
        """Record that a sweep has read everything from this hour on. Empty: all hours."""
        self.start_hour = min(self.start_hour, start_hour)
        if self._in_doubt is None:
            # The bucket was copied, so the next sweep reads all of it again. Naming a few late
            # files would save nothing.
            self._late.clear()

    def is_done(self, key: FileKey) -> bool:
        """Return whether a file has been read, so that this run can skip it."""
        if not key.hour:
            return key.name in self._paths or key.name in self._shared
        # All files of a sealed hour count as read, except for the pending ones. So this must be
        # checked before the sealed hour.
        if key in self._pending:
            return False
        if key.hour <= self.sealed_hour:
            return True
        return key.name in self._read.get((key.folder, key.hour), ())

    def may_be_late(self, key: FileKey, modified: datetime | None) -> bool:
        """Return whether a file may have arrived after its hour was sealed.

        In doubt the result is True: reading a file twice is safe, skipping an unread file is not.

        Args:
            key: The file.
            modified: When the file was last written, or None if the store does not report it.
        """
        if not key.hour:
            return False
        if modified is None or self.first_run is None or key.hour < self.start_hour:
            return True
        # A sealed hour keeps no file names, so the modification time decides. Two facts help:
        # no run seals an hour before its lookback has passed, and the first run listed everything
        # that existed when it began. So a file that is older than both times was listed while its
        # hour was open, and is not late.
        sealed_from = to_datetime(shift(key.hour, self.shortest_lookback or 0))
        return modified + CLOCKS_DIFFER_BY > max(self.first_run, sealed_from)

    def is_missed(self, key: FileKey, modified: datetime | None) -> bool:
        """Return whether a file of a sealed hour may be unread. A sweep reads such files."""
        return (
            bool(key.hour)
            and key.hour <= self.sealed_hour
            and key not in self._late
            and key not in (self._in_doubt or ())
            and self.may_be_late(key, modified)
        )

    def paths_read(self, event_type: str) -> set[str]:
        """Return the files that were read in open hours, as paths below the prefix."""
        return {
            path
            for (folder, hour), names in self._read.items()
            for path in paths_in(event_type, folder, hour, names)
        }

    def pending(self) -> list[FileKey]:
        """Return the files that earlier runs listed but could not read."""
        return sorted(self._pending)

    def mark_read(
        self, key: FileKey, *, late: bool = False, event_types: Sequence[str] | None = None
    ) -> None:
        """Record that all records of a file have been written.

        Args:
            key: The file.
            late: The result of `may_be_late` for the file.
            event_types: The event types to keep for a file that holds several, see
                `FilesByPath.types_to_remember`. None for a file of one type.
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
        """Record that this stream is done with a shared file, and keep its event types."""
        self._shared[key.name] = sorted(event_types)

    def shared_types(self, key: FileKey) -> list[str] | None:
        """Return the event types that this stream keeps for a shared file.

        Returns:
            The types. None if the stream has not read the file, or the file holds one type only.
        """
        return self._shared.get(key.name)

    def mark_failed(self, key: FileKey) -> None:
        """Record that a file could not be read. The next run reads it first."""
        if key.hour and len(self._pending) < self._most_pending_files:
            self._pending.add(key)

    def mark_gone(self, key: FileKey) -> None:
        """Record that a file no longer exists."""
        self._pending.discard(key)

    def seal(self, lookback_hours: int, latest_hour: str, unread: Iterable[FileKey] = ()) -> None:
        """Seal the hours that are older than the newest hour read minus the lookback.

        Args:
            lookback_hours: How many hours an hour stays open.
            latest_hour: An upper bound for the newest hour: the present hour, because a folder with
                a date in the future must not seal the present, or the hour that the run has
                reached.
            unread: Files that are listed but not read. In a sealed hour they become pending.
        """
        if not self.newest_hour:
            return
        # The newest file decides, and not the clock alone. If Braze delivers nothing for a week and
        # then writes the files of that week, their hours are still open.
        seal = shift(min(self.newest_hour, latest_hour), -lookback_hours - 1)
        new = {key for key in unread if key.hour and key.hour <= seal} - self._pending
        # Too many unread files to keep as pending: seal only the hours before the oldest of them.
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
        raise ValueError(f"{text!r} is not an hour")
    return text


def _moment(text: str | None) -> datetime | None:
    return read_time(text) if text else None
