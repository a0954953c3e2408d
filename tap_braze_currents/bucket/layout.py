"""Parse and build Currents paths, and count hours. Pure: no I/O.

Braze writes each file to this path:

    <integration>/event_type=<type>/date=<YYYY-MM-DD-HH>/<schema id>/<zone>/
        <integration>+<partition>+<offset>.avro

An hour is always a text such as `2026-11-01-13` (UTC): texts in this form compare in the order in
which a bucket lists them.
Source: Braze's documentation of Currents event delivery and its sample files (November 2026).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

HOUR_FORMAT = "%Y-%m-%d-%H"
INTEGRATION_FOLDER = re.compile(r"^dataexport\.(?=[^/]+$).+\.integration\.[^/]")
TYPE_FOLDER = "event_type="
HOUR_FOLDER = "date="
DATA_SUFFIXES = (".avro", ".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")
_SHORT_NAME = re.compile(r"[^/.]+")
_HOUR = re.compile(r"^\d{4}-\d\d-\d\d(-\d\d)?$")
_AVRO = ".avro"
_A_DAY = "2026-11-01"
_LAST_HOUR = "-23"
_FEWEST_PARTS = 3
"""The folders of the event type and of the hour, and the file name."""


@dataclass(frozen=True, order=True)
class FileKey:
    """Identify a file within its stream.

    In Braze's layout, `hour` is set, `folder` is the path without the event type and the hour, and
    `name` is `<partition>+<offset>`. For a folder of a whole day, `hour` is the last hour of the
    day, and `folder` also contains the name of the day's folder, so that `path` can rebuild the
    path. In any other layout, `hour` and `folder` are empty, and `name` is the path below the
    prefix.
    """

    hour: str
    folder: str
    name: str

    def path(self, event_type: str) -> str:
        """Return the path below the prefix."""
        if not self.hour:
            return self.name
        integration, _, below = self.folder.partition("/")
        hour = "" if below.startswith(HOUR_FOLDER) else HOUR_FOLDER + self.hour
        name = self.name
        if _SHORT_NAME.fullmatch(name):
            name = f"{integration}+{name}{_AVRO}"
        name = name.removeprefix("/")
        parts = [integration, TYPE_FOLDER + event_type, hour, below, name]
        return "/".join(part for part in parts if part)


def paths_in(event_type: str, folder: str, hour: str, names: Iterable[str]) -> Iterator[str]:
    """Yield the paths below the prefix of many files of one folder and hour.

    This gives the same as `FileKey.path` for each name, but builds the folder part only once.

    Args:
        event_type: In Braze's spelling.
        folder: As in `FileKey`.
        hour: As in `FileKey`.
        names: File names, as in `FileKey`.
    """
    integration, _, _ = folder.partition("/")
    place = FileKey(hour, folder, "x.x").path(event_type)[: -len("x.x")]
    for name in names:
        is_short = "." not in name and "/" not in name
        yield place + (f"{integration}+{name}{_AVRO}" if is_short else name)


def parse_path(path: str) -> FileKey:
    """Return the key of a file.

    Args:
        path: The path below the prefix, in any layout.
    """
    integration, *parts = path.split("/")
    if integration.startswith(TYPE_FOLDER):  # the prefix is that of one integration
        integration, parts = "", [integration, *parts]
    if (
        len(parts) >= _FEWEST_PARTS
        and parts[0].startswith(TYPE_FOLDER)
        and parts[1].startswith(HOUR_FOLDER)
        and is_hour(hour := parts[1][len(HOUR_FOLDER) :])
    ):
        name = parts[-1]
        short = name[len(integration) + 1 : -len(_AVRO)]
        if name == f"{integration}+{short}{_AVRO}" and _SHORT_NAME.fullmatch(short):
            name = short
        elif _SHORT_NAME.fullmatch(name):
            # A name without a suffix looks like a short name, which `path` would expand. The slash
            # marks it as a full name.
            name = f"/{name}"
        day = [parts[1]] if len(hour) == len(_A_DAY) else []
        folder = "/".join([integration, *day, *parts[2:-1]])
        return FileKey(f"{hour}{_LAST_HOUR}" if day else hour, folder, name)
    return FileKey("", "", path)


def is_data(path: str) -> bool:
    """Return whether a file may hold events.

    In the folder of an hour, any file may hold events: its content decides later. Only names that
    begin with a dot or an underscore are skipped, because other tools write such marker files
    (`_SUCCESS`). Outside of such folders, the file name must have a suffix of `DATA_SUFFIXES`.
    """
    folder, _, name = path.lower().rpartition("/")
    if not name or name.startswith((".", "_")):
        return False
    return f"/{HOUR_FOLDER}" in f"/{folder}" or name.endswith(DATA_SUFFIXES)


def is_hour(text: str) -> bool:
    """Return whether a text is an hour or a whole day. Some tools regroup buckets by day."""
    if not _HOUR.match(text):
        return False
    try:
        to_datetime(text)
    except ValueError:
        return False
    return True


def to_hour(moment: datetime) -> str:
    """Return the hour that a moment lies in."""
    return moment.astimezone(timezone.utc).strftime(HOUR_FORMAT)


def to_datetime(hour: str) -> datetime:
    """Return the moment at which an hour (or a day) begins."""
    text = hour if len(hour) > len(_A_DAY) else f"{hour}-00"
    return datetime.strptime(text, HOUR_FORMAT).replace(tzinfo=timezone.utc)


def shift(hour: str, hours: int) -> str:
    """Return the hour that is `hours` later, or earlier if `hours` is negative."""
    try:
        return to_hour(to_datetime(hour) + timedelta(hours=hours))
    except OverflowError:
        return "0001-01-01-00" if hours < 0 else "9999-12-31-23"
