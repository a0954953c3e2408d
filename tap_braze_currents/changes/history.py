"""Find since when a difference exists, and count files, with few requests in any bucket."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import TYPE_CHECKING, Final, NamedTuple

from braze_mixpanel.errors import ConnectorError
from tap_braze_currents.bucket.layout import shift, to_datetime, to_hour
from tap_braze_currents.catalog.discovery import look_into
from tap_braze_currents.formats.errors import BrokenFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.formats.fields import Field

MOST_PROBES: Final = 24
"""The most files that the search for one difference opens. Twenty years of hours need 18."""
_HOUR: Final = timedelta(hours=1)
_DAY_PAGES: Final = 5
"""The most pages of a listing that are read to count the files of a day."""


class Place(NamedTuple):
    """A folder with files of an event type: its integration, and the type as spelled there."""

    integration: str
    event_type: str


class FileCount(NamedTuple):
    """A number of files, and whether all files were counted."""

    files: int
    is_whole: bool

    def __str__(self) -> str:
        """Return the number, with a plus sign if there may be more files."""
        return str(self.files) if self.is_whole else f"{self.files}+"


class TypeHistory:
    """Search the history of one event type in Braze's layout."""

    def __init__(self, bucket: Bucket, places: Sequence[Place], newest: str) -> None:
        """Create the search. Each method sends its own requests.

        Args:
            bucket: The bucket that holds the files.
            places: The folders of the event type. Most types have one.
            newest: The hour of the newest file.
        """
        self._bucket = bucket
        self._places = places
        self._newest = newest
        self._fields: dict[str, tuple[Field, ...] | None] = {}
        self._probes = 0

    def files_in_last_day(self) -> FileCount:
        """Count the files in the 24 hours up to the newest file. It stops after some thousands.

        Raises:
            ConnectorError: A folder cannot be listed.
        """
        first, files, is_whole = shift(self._newest, -23), 0, True
        for place in self._places:
            pages = self._bucket.scan(*place, first)
            files += sum(len(page) for page in islice(pages, _DAY_PAGES))
            is_whole &= next(pages, None) is None
        return FileCount(files, is_whole)

    def first_hour(self) -> str:
        """Return the hour of the oldest file.

        Raises:
            ConnectorError: A folder cannot be listed.
        """
        oldest = self._first_from("")
        return oldest.key.hour if oldest else self._newest

    def first_hour_with(self, is_there: Callable[[tuple[Field, ...]], bool]) -> str:
        """Return the hour of the first file that shows a difference, found by binary search.

        Each step lists one page and opens the beginning of one file. If a difference appeared and
        disappeared several times, the result is one of these times.

        Args:
            is_there: Returns whether a file with these fields shows the difference. The newest
                file does.

        Raises:
            ConnectorError: A folder cannot be listed.
        """
        # The file at `low` does not show the difference, the file at `answer` does. Hours may be
        # empty, so each step takes the first file from the middle hour on. If that file is already
        # the answer, nothing is between the middle and the answer, and the search goes on below.
        oldest = self._first_from("")
        if oldest is None or self._has(oldest, is_there):
            return oldest.key.hour if oldest else self._newest
        answer = self._newest
        low, high = to_datetime(oldest.key.hour), to_datetime(self._newest)
        while (hours := (high - low) // _HOUR) > 1 and self._probes < MOST_PROBES:
            middle = low + hours // 2 * _HOUR
            file = self._first_from(to_hour(middle))
            if file is None or file.key.hour >= answer:
                high = middle
            elif self._has(file, is_there):
                answer, high = file.key.hour, middle
            else:
                low = to_datetime(file.key.hour)
        return answer

    def _first_from(self, hour: str) -> RemoteFile | None:
        """Return the first file from an hour on, with one request for each folder."""
        firsts = []
        for place in self._places:
            pages = self._bucket.scan(*place, hour)
            firsts += next((page[:1] for page in pages if page), [])
        return min(firsts, default=None, key=lambda file: file.key.hour)

    def _has(self, file: RemoteFile, is_there: Callable[[tuple[Field, ...]], bool]) -> bool:
        if file.path not in self._fields:
            self._probes += 1
            self._fields[file.path] = self._read(file)
        fields = self._fields[file.path]
        return fields is not None and is_there(fields)

    def _read(self, file: RemoteFile) -> tuple[Field, ...] | None:
        try:
            found = look_into(self._bucket, file)
        except (BrokenFileError, FileNotFoundError, ConnectorError):
            return None  # one unreadable old file: the search goes on with its neighbours
        names = {place.event_type for place in self._places}
        return next((fields for name, fields in found.items() if name in names), None)
