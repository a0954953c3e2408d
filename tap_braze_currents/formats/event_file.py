"""Read the event types and records of a file in any supported format."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_braze_currents.formats import json_events
from tap_braze_currents.formats.avro_container import read_header
from tap_braze_currents.formats.avro_decoding import AvroFile
from tap_braze_currents.formats.content import in_utf8, is_avro, is_gzip, is_json, unzipped
from tap_braze_currents.formats.errors import NoEventsFileError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from tap_braze_currents.formats.fields import Field
    from tap_braze_currents.formats.records import Rows, Selection

_AVRO_NAME: Final = ".avro"
_JSON_NAMES: Final = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")


class EventFile:
    """A file in memory. Its content decides the format; its name only decides which error fits."""

    def __init__(self, name: str, content: bytes | memoryview) -> None:
        """Detect the format.

        Args:
            name: The path or name of the file.
            content: The whole file.

        Raises:
            BrokenFileError: The file cannot be unzipped, or is named `.avro` but is not Avro.
            NoEventsFileError: The file is neither Avro nor JSON, nor is it named so.
        """
        data = unzipped(content)
        self.is_avro = is_avro(data)
        self.of_other_types = 0
        """The number of skipped events of other types, once `rows` is exhausted."""
        if not self.is_avro:
            data = in_utf8(data)
            name = name.lower()
            if name.endswith(_AVRO_NAME) and not (data and is_json(data)):
                read_header(data)  # raises an error that names what is wrong
            if not name.endswith(_JSON_NAMES) and not is_json(data):
                raise NoEventsFileError("it is neither Avro nor JSON")
        self._data = data

    def fields(self) -> dict[str, tuple[Field, ...]]:
        """Return the event types in the file with their fields.

        Raises:
            BrokenFileError: The file is damaged, or holds values that are not events.
        """
        if not self.is_avro:
            return json_events.fields(self._data)
        header = read_header(self._data)
        return {header.event_type: header.fields}

    def event_types(self) -> list[str]:
        """Return the event types in the file.

        Raises:
            BrokenFileError: The file is damaged, or holds values that are not events.
        """
        if not self.is_avro:
            return json_events.event_types(self._data)
        return [read_header(self._data).event_type]

    def rows(
        self, event_type: str, selection: Selection, note_fields: Callable[[Sequence[Field]], None]
    ) -> Iterator[Rows]:
        """Decode the file, some thousand records at a time.

        Args:
            event_type: The event type to return from a JSON file, which may hold several types.
            selection: The fields to return, with their JSON types.
            note_fields: Called with the fields of an Avro file, or of each JSON event.

        Raises:
            BrokenFileError: The file is damaged, or holds values that are not events.
        """
        if self.is_avro:
            avro = AvroFile(self._data)
            note_fields(avro.header.fields)
            yield from avro.rows(selection)
            return
        file = json_events.JsonFile(self._data, event_type)
        yield from file.rows(selection, note_fields)
        self.of_other_types = file.of_other_types


def is_whole_needed(head: bytes | memoryview) -> bool:
    """Return whether the whole file is needed to find its event types. For Avro it is not."""
    return is_gzip(head) or not is_avro(head)
