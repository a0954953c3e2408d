"""Finds event types and fields that the registry does not know yet, in the newest files."""

from __future__ import annotations

import logging
from datetime import timedelta
from itertools import chain
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, NamedTuple

from braze_mixpanel.errors import ConnectorError
from tap_braze_currents.bucket.layout import TYPE_FOLDER, to_hour
from tap_braze_currents.bucket.reading_ahead import read_object
from tap_braze_currents.formats import json_events as http_landing
from tap_braze_currents.formats.avro_container import BrokenFileError, Truncated, read_header

if TYPE_CHECKING:
    from concurrent.futures import Executor
    from datetime import datetime

    from tap_braze_currents.bucket.store import Bucket, RemoteFile
    from tap_braze_currents.catalog.event_types import Field
    from tap_braze_currents.formats.avro_container import Header

logger = logging.getLogger("tap-braze-currents")

HEAD_BYTES = 32 << 10
"""The header of most files is shorter."""
_NEWEST_FILES = 100
_HOURS_BACK = (1, 24)
"""Where the search for the newest file of a type begins: few files lie behind the first."""
_JSON_TURN = BoundedSemaphore(2)
"""JSON files are read whole and may be large, so only a few are held at a time."""


class Sample(NamedTuple):
    """A file that holds events of a type."""

    event_type: str
    fields: tuple[Field, ...]
    file: RemoteFile


def newest_files(bucket: Bucket, now: datetime, pool: Executor) -> list[Sample]:
    """Open the newest file of each event type; in a flat folder, the newest hundred files.

    Args:
        bucket: Where the files are.
        now: The present time; the search begins with the hours of this day.
        pool: Threads to list and read in.

    Returns:
        One sample for each file and type; files that cannot be read are left out.

    Raises:
        ConnectorError: The bucket cannot be listed, or not one of the files may be read.
    """
    folders = bucket.folders()
    places = [
        (integration, event_type)
        for integration, event_types in folders.integrations.items()
        for event_type in event_types
    ]
    newest = list(pool.map(lambda place: _newest(bucket, place, now), places))
    by_path = chain.from_iterable(pool.map(bucket.files_below, folders.others))
    newest += sorted(chain(folders.files, by_path), key=_age, reverse=True)[:_NEWEST_FILES]
    looked_into = list(pool.map(lambda file: _samples(bucket, file), filter(None, newest)))
    errors = [found for found in looked_into if isinstance(found, ConnectorError)]
    if errors and len(errors) == len(looked_into):
        raise errors[0]
    for error in errors:
        logger.warning("Without the event types and fields of one file: %s", error)
    return [
        sample for found in looked_into if not isinstance(found, ConnectorError) for sample in found
    ]


def read_head(bucket: Bucket, file: RemoteFile) -> Header:
    """Read as much of a file as its Avro header takes.

    Raises:
        BrokenFileError: It has none.
        ConnectorError: It cannot be read.
    """
    size = HEAD_BYTES
    while True:
        head = read_object(bucket, file, size)
        try:
            return read_header(head)
        except Truncated:
            if len(head) < size:
                raise
            size *= 8


def _newest(bucket: Bucket, place: tuple[str, str], now: datetime) -> RemoteFile | None:
    integration, event_type = place
    hours = [to_hour(now - timedelta(hours=back)) for back in _HOURS_BACK]
    return bucket.newest(integration, event_type, hours)


def _age(file: RemoteFile) -> float:
    return file.modified.timestamp() if file.modified else 0.0


def _samples(bucket: Bucket, file: RemoteFile) -> list[Sample] | ConnectorError:
    """Return the event types and fields in a file; an error is returned, so that others go on."""
    try:
        if http_landing.is_json(file.path):
            with _JSON_TURN:
                found = http_landing.fields(read_object(bucket, file))
            return [Sample(event_type, fields, file) for event_type, fields in found.items()]
        header = read_head(bucket, file)
    except (BrokenFileError, FileNotFoundError):
        return []  # the run reports what is wrong with it
    except ConnectorError as error:
        return error
    return [Sample(_folders_type(file) or header.event_type, header.fields, file)]


def _folders_type(file: RemoteFile) -> str:
    """Return the event type in the folder's name, by which a run finds the file; "" if none."""
    folders = file.path.split("/") if file.key.hour else []
    return next((name[len(TYPE_FOLDER) :] for name in folders if name.startswith(TYPE_FOLDER)), "")
