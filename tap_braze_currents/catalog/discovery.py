"""Find event types and fields that the registry does not know yet, in the newest files."""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import chain
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, NamedTuple

from braze_mixpanel.errors import ConnectorError
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.bucket.layout import TYPE_FOLDER, to_hour
from tap_braze_currents.bucket.reading_ahead import read_object
from tap_braze_currents.catalog.event_types import EventType
from tap_braze_currents.formats.avro_container import read_header
from tap_braze_currents.formats.errors import BrokenFileError, TruncatedFileError
from tap_braze_currents.formats.event_file import EventFile, is_whole_needed
from tap_braze_currents.formats.limits import NEW_TYPES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from concurrent.futures import Executor
    from datetime import datetime

    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.formats.fields import Field

logger = logging.getLogger("tap-braze-currents")

HEAD_BYTES = 32 << 10
"""How many bytes to read first. The header of most files is shorter."""
_NEWEST_FILES = 100
_HOURS_BACK = (1, 24)
"""The search for the newest file starts one hour ago, then a day ago: few files follow there."""
_JSON_TURN = BoundedSemaphore(2)
"""JSON files are read whole and may be large, so only a few are held at a time."""


class Sample(NamedTuple):
    """A file that holds events of a type."""

    event_type: str
    fields: tuple[Field, ...]
    file: RemoteFile


def find_newest_files(bucket: Bucket, now: datetime, pool: Executor) -> list[list[RemoteFile]]:
    """Find the newest files of each event type, and the newest 100 files of flat folders.

    Args:
        bucket: The bucket to search.
        now: The present time. The search begins with the last hours before it.
        pool: The threads that list.

    Returns:
        One list for each event type with a few files, newest first, and one list for each file of
        a flat folder.

    Raises:
        ConnectorError: The bucket cannot be listed.
    """
    folders = bucket.folders()
    places = [
        (integration, event_type)
        for integration, event_types in folders.integrations.items()
        for event_type in event_types
    ]
    newest = list(filter(None, pool.map(lambda place: _newest(bucket, place, now), places)))
    by_path = chain.from_iterable(pool.map(bucket.files_below, folders.others))
    flat = sorted(chain(folders.files, by_path), key=_age, reverse=True)
    return [*newest, *([file] for file in flat[:_NEWEST_FILES])]


def short_name(file: RemoteFile) -> str:
    """Return the hour of a file, or its file name if it is not in an hour folder."""
    return file.key.hour or file.path.rpartition("/")[2]


def newest_files(bucket: Bucket, now: datetime, pool: Executor) -> list[Sample]:
    """Open the newest file of each event type, and the newest 100 files of flat folders.

    Args:
        bucket: The bucket to search.
        now: The present time. The search begins with the last hours before it.
        pool: The threads that list and read.

    Returns:
        One sample for each file and event type. Files that cannot be read are left out.

    Raises:
        ConnectorError: The bucket cannot be listed, or none of the files can be read.
    """
    newest = find_newest_files(bucket, now, pool)
    looked_into = list(pool.map(lambda files: _samples(bucket, files), newest))
    errors = [found for found in looked_into if isinstance(found, ConnectorError)]
    if errors and len(errors) == len(looked_into):
        raise errors[0]
    for error in errors:
        logger.warning("The catalog lacks the event types and fields of one file: %s", error)
    return [
        sample for found in looked_into if not isinstance(found, ConnectorError) for sample in found
    ]


def with_found(types: Mapping[str, EventType], samples: Iterable[Sample]) -> dict[str, EventType]:
    """Return the known event types together with the types and fields of samples.

    Args:
        types: Stream id → known event type.
        samples: The result of `newest_files`.

    Returns:
        Stream id → event type. At most `NEW_TYPES` types are added.
    """
    found, left_out = dict(types), set()
    for sample in sorted(samples, key=lambda sample: sample.event_type):
        name = stream_id(sample.event_type)
        if name not in found and len(found) >= len(types) + NEW_TYPES:
            left_out.add(name)
            continue
        known = found.get(name, EventType(sample.event_type, ()))
        found[name] = known.with_fields(sample.fields)
    if left_out:
        logger.warning(
            "The bucket holds %d more event types than the %d that discovery adds, such as %s: "
            "their events are not read.",
            len(left_out),
            NEW_TYPES,
            min(left_out),
        )
    return found


def look_into(bucket: Bucket, file: RemoteFile) -> dict[str, tuple[Field, ...]]:
    """Return the event types in a file with their fields. Read as little of the file as possible.

    Raises:
        BrokenFileError: The file is damaged or holds no events.
        FileNotFoundError: The file was deleted after it was listed.
        ConnectorError: The file cannot be read.
    """
    try:
        return _look_into(bucket, file)
    except (ConnectorError, FileNotFoundError):
        raise
    except Exception as error:  # one file must not end a run, whatever it holds
        raise BrokenFileError(f"it cannot be decoded ({type(error).__name__})") from error


def _look_into(bucket: Bucket, file: RemoteFile) -> dict[str, tuple[Field, ...]]:
    """Return the event types in a file with their fields.

    For an Avro file, the header is enough. A JSON file is read completely.
    """
    head = read_object(bucket, file, HEAD_BYTES)
    if is_whole_needed(head):
        with _JSON_TURN:
            whole = len(head) < HEAD_BYTES
            content = EventFile(file.path, head if whole else read_object(bucket, file))
            found = content.fields()
            return _named_by_folder(file, found) if content.is_avro else found
    # The length of an Avro header is not known beforehand: if it does not end within the bytes
    # read, read eight times as many. A file shorter than asked for is really cut off.
    size = HEAD_BYTES
    while True:
        try:
            header = read_header(head)
            return _named_by_folder(file, {header.event_type: header.fields})
        except TruncatedFileError:
            if len(head) < size:
                raise
            size *= 8
            head = read_object(bucket, file, size)


def _newest(bucket: Bucket, place: tuple[str, str], now: datetime) -> list[RemoteFile]:
    integration, event_type = place
    hours = [to_hour(now - timedelta(hours=back)) for back in _HOURS_BACK]
    return bucket.newest(integration, event_type, hours)


def _age(file: RemoteFile) -> float:
    return file.modified.timestamp() if file.modified else 0.0


def _samples(bucket: Bucket, files: Sequence[RemoteFile]) -> list[Sample] | ConnectorError:
    """Return the event types and fields in the newest file that is not damaged.

    An error of the store is returned and not raised, so that the other event types are still
    sampled. Damaged files are reported by the run that reads them. But an unknown event type of
    which all files are damaged gets no stream and is read by no run, so a warning is logged here.
    """
    for file in files:
        try:
            found = look_into(bucket, file)
        except (BrokenFileError, FileNotFoundError) as error:
            problem = error
            continue
        except ConnectorError as error:
            return error
        return [Sample(event_type, fields, file) for event_type, fields in found.items()]
    if files[0].key.hour:
        logger.warning(
            "The catalog lacks the event types and fields of %s: %s.", files[0].path, problem
        )
    return []


def _named_by_folder(
    file: RemoteFile, found: dict[str, tuple[Field, ...]]
) -> dict[str, tuple[Field, ...]]:
    """Replace the event type by the one in the folder's name, if the file is in such a folder.

    A run finds the files of a stream by the names of their folders, so the folder's name decides.
    """
    folders = file.path.split("/") if file.key.hour else []
    named = (name[len(TYPE_FOLDER) :] for name in folders if name.startswith(TYPE_FOLDER))
    folder = next(named, "")
    return {folder or event_type: fields for event_type, fields in found.items()}
