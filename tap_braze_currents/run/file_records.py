"""Decodes one file of any format for one stream."""

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
    """The parts of a stream that reading its files needs."""

    name: str
    event_type: str

    @property
    def selection(self) -> Selection:
        """The fields to decode, and their types in the catalog."""

    def note_fields(self, path: str, fields: Sequence[Field]) -> None:
        """Compare the fields of a file with those of the catalog."""


def file_records(path: str, content: bytes | memoryview, stream: SelectedStream) -> Iterator[Rows]:
    """Decode a file, and show its fields to the stream before its first record.

    Args:
        path: The path in the bucket, for messages.
        content: The whole object.
        stream: Whose records are wanted.

    Yields:
        Blocks of records, as JSON lines.

    Raises:
        NoEventsFileError: The file is neither Avro nor JSON.
        BrokenFileError: The file is damaged; the blocks before that point are good.
    """

    def note_fields(fields: Sequence[Field]) -> None:
        stream.note_fields(path, fields)

    file = EventFile(path, content)
    yield from file.rows(stream.event_type, stream.selection, note_fields)
    # Outside of event_type= folders, each stream reads its own events from the same file.
    if file.of_other_types and TYPE_FOLDER in path:
        logger.warning(
            "%s holds %d events of other types than its folder says: they are not read there. "
            "Move the file out of the event_type= folder to have them all.",
            path,
            file.of_other_types,
        )
