"""Open the newest file of each event type, and report what is new."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from importlib.metadata import version
from typing import TYPE_CHECKING, Final, NamedTuple

from braze_mixpanel.errors import ConnectorError, InputError
from braze_mixpanel.singer.currents_streams import stream_id
from braze_mixpanel.tables import text_table
from tap_braze_currents.bucket.layout import TYPE_FOLDER, to_datetime
from tap_braze_currents.catalog.discovery import find_newest_files, look_into
from tap_braze_currents.catalog.event_types import registry
from tap_braze_currents.changes.differences import (
    Kind,
    NewestFile,
    find_differences,
    never_seen,
    summary,
)
from tap_braze_currents.changes.history import Place, TypeHistory
from tap_braze_currents.formats.errors import BrokenFileError

if TYPE_CHECKING:
    from collections.abc import Container, Iterable
    from concurrent.futures import Executor
    from datetime import datetime

    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.changes.differences import Difference

_HEADINGS: Final = ("what", "event type", "detail", "since", "newest file", "files in 24 h")
_QUIET_HOURS: Final = 24
_UNKNOWN: Final = "-"


class Report(NamedTuple):
    """The result of `--changes`.

    Attributes:
        text: The report as text for the terminal.
        errors: One error for each of the newest files that could not be read.
    """

    text: str
    errors: list[ConnectorError]


class Survey:
    """Compare one bucket with the registry."""

    def __init__(self, bucket: Bucket, now: datetime, pool: Executor) -> None:
        """Create the survey. `report` sends the requests.

        Args:
            bucket: The bucket to compare.
            now: The present time.
            pool: The threads that list and read.
        """
        self._bucket, self._now, self._pool = bucket, now, pool
        self._errors: list[ConnectorError] = []

    def report(self, selected: Container[str] | None) -> Report:
        """Return the report.

        Args:
            selected: The ids of the selected streams, or None if all are selected.

        Raises:
            ConnectorError: The bucket cannot be listed, or none of the newest files can be read.
        """
        found_files = find_newest_files(self._bucket, self._now, self._pool)
        files = [newest_first[0] for newest_first in found_files]
        places: dict[str, list[Place]] = defaultdict(list)
        newest: dict[str, NewestFile] = {}
        opened = zip(files, self._pool.map(self._open, files), strict=True)
        for file, found in opened:
            for one in found:
                if file.key.hour:
                    places[one.stream_id].append(Place(_integration(file), one.event_type))
                if one.stream_id not in newest or one.hour > newest[one.stream_id].hour:
                    newest[one.stream_id] = one
        if files and len(self._errors) == len(files):
            raise self._errors[0]
        differences = find_differences(newest.values(), selected)
        rows = self._pool.map(
            lambda one: self._row(
                one, newest[stream_id(one.event_type)], places[stream_id(one.event_type)]
            ),
            differences,
        )
        return Report(self._text(newest.values(), differences, list(rows)), self._errors)

    def _open(self, file: RemoteFile) -> list[NewestFile]:
        try:
            found = look_into(self._bucket, file)
        except FileNotFoundError:
            return []
        except BrokenFileError as error:
            self._errors.append(InputError(f"{file.path}: {error}."))
        except ConnectorError as error:
            self._errors.append(error)
        else:
            return [NewestFile(name, fields, file.key.hour) for name, fields in found.items()]
        named = _folder(file, TYPE_FOLDER)
        return [NewestFile(named, None, file.key.hour)] if named and file.key.hour else []

    def _row(
        self, difference: Difference, newest: NewestFile, places: list[Place]
    ) -> tuple[object, ...]:
        history = TypeHistory(self._bucket, places, newest.hour) if newest.hour else None
        if history is None:
            since, files = _UNKNOWN, _UNKNOWN
        else:
            files = str(history.files_in_last_day())
            if difference.kind is Kind.STOPPED:
                since = newest.hour
            elif difference.field:
                since = history.first_hour_with(difference.is_in)
            else:
                since = history.first_hour()
        return (
            difference.kind.words,
            difference.event_type,
            difference.detail,
            since,
            newest.hour or _UNKNOWN,
            files,
        )

    def _text(
        self,
        newest: Iterable[NewestFile],
        differences: list[Difference],
        rows: list[tuple[object, ...]],
    ) -> str:
        files = list(newest)
        known = len(registry())
        last = max((file.hour for file in files), default="")
        first = (
            f"{len(files)} event types in {self._bucket.url}, compared with the {known} of version "
            f"{version('braze-mixpanel')}: {summary(differences)}. "
            f"{never_seen(files)} known types have no file in this bucket."
        )
        lines = [first]
        if rows:
            lines += ["", text_table(_HEADINGS, rows), "", "Times are hours in UTC."]
        if last and self._now - to_datetime(last) > timedelta(hours=_QUIET_HOURS):
            lines.append(f"The newest file of all is from {last} UTC. Is the Current still active?")
        if any(one.kind <= Kind.CHANGED_FIELD for one in differences):
            lines.append(
                "New types and fields need no new version of this package: select them, and they "
                "are read and sent by the general rules."
            )
        return "\n".join(lines)


def _integration(file: RemoteFile) -> str:
    return file.key.folder.partition("/")[0]


def _folder(file: RemoteFile, prefix: str) -> str:
    parts = file.path.split("/")
    return next((part[len(prefix) :] for part in parts if part.startswith(prefix)), "")
