"""Decode one file of any format for one stream."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Protocol

from tap_braze_currents.bucket.layout import TYPE_FOLDER
from tap_braze_currents.formats.event_file import EventFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_braze_currents.formats.fields import Field
    from tap_braze_currents.formats.records import Rows, Selection

logger = logging.getLogger("tap-braze-currents")


class SelectedStream(Protocol):
    """The parts of a stream that the decoding of its files uses."""

    name: str
    event_type: str

    @property
    def selection(self) -> Selection:
        """The fields to decode, and their types in the catalog."""

    def note_fields(self, path: str, fields: Sequence[Field]) -> None:
        """Warn of fields that differ from the catalog."""


def file_records(path: str, content: bytes | memoryview, stream: SelectedStream) -> Iterator[Rows]:
    """Decode a file, and pass its fields to `stream.note_fields` before the first record.

    Args:
        path: The path in the bucket, for messages.
        content: The whole object.
        stream: The stream whose records to return.

    Yields:
        Blocks of records, as JSON lines.

    Raises:
        NoEventsFileError: The file is neither Avro nor JSON.
        BrokenFileError: The file is damaged. The blocks before the damage were yielded.
    """

    def note_fields(fields: Sequence[Field]) -> None:
        stream.note_fields(path, fields)

    file = EventFile(path, content)
    yield from file.rows(stream.event_type, stream.selection, note_fields)
    # Outside of event_type= folders, every stream reads its own events from the same file, so
    # events of other types are no loss there.
    if file.of_other_types and TYPE_FOLDER in path:
        logger.warning(
            "%s holds %d events of other types than its folder. They are not read. Move the file "
            "out of the event_type= folder to read all its events.",
            path,
            file.of_other_types,
        )
