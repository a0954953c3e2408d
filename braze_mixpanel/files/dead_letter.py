"""Write records that could not be delivered, as Singer messages that can be replayed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.files.run_file import make_run_file
from braze_mixpanel.settings.redaction import masked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_encode = msgspec.json.Encoder().encode


class DeadLetter:
    """A `.jsonl` file for each run, with SCHEMA and RECORD lines. The first record creates it.

    Each RECORD line holds the unchanged record and the reason for its rejection. The file contains
    personal data, so only its owner can read it (0600, in a folder of 0700). In a store it is
    written in parts, see `run_file`. Each part has the SCHEMA of its records, so that it can be
    replayed alone.
    """

    def __init__(
        self,
        place: Path | str,
        name: str,
        *,
        options: Mapping[str, Any] | None = None,
        setting: str = "dead_letter_path",
    ) -> None:
        """Choose the name of the file. This writes nothing.

        Args:
            place: The folder for the files of all runs, or its URL in a store.
            name: The name of the plugin. The file name starts with it.
            options: The setting `path_options`.
            setting: The name of the setting for `place`.

        Raises:
            SettingsError: The URL is wrong.
        """
        self._file = make_run_file(
            place, name, setting=setting, what="The dead letter", options=options
        )
        self.count = 0
        self._known_schemas: dict[str, bytes] = {}
        self._part = self._file.part

    @property
    def where(self) -> str:
        """The path of the file, or the URL of its parts."""
        return self._file.where

    def check(self) -> None:
        """Check that the store can be used, without writing to it.

        Raises:
            ConnectorError: The store cannot be used.
        """
        self._file.check()

    def add(
        self,
        stream: str,
        record: msgspec.Raw | Mapping[str, Any],
        *,
        schema: Mapping[str, Any],
        reason: str,
        **details: object,
    ) -> None:
        """Append one record.

        Args:
            stream: The name of the stream.
            record: The unchanged record, as an object or as JSON text.
            schema: The SCHEMA message of the stream (`stream`, `schema`, `key_properties`).
            reason: The short name of the rule or response that rejected the record.
            details: More about the rejection, such as `field`, `message`, `status`.

        Raises:
            ConnectorError: The file cannot be written.
        """
        if self._part != self._file.part:
            self._part = self._file.part
            self._known_schemas.clear()
        lines = b""
        message = _encode({**schema, "type": "SCHEMA"})
        if self._known_schemas.get(stream) != message:
            self._known_schemas[stream] = message
            lines = message + b"\n"
        # The details quote responses, and a server may repeat secrets of the request.
        reason = masked(reason)
        details = {
            name: one_line(masked(value)) if isinstance(value, str) else value
            for name, value in details.items()
        }
        lines += _encode(
            {"type": "RECORD", "stream": stream, "record": record, "reason": reason, **details}
        )
        self._file.write(lines + b"\n")
        self.count += 1

    def flush(self) -> None:
        """Write all records to the disk, or to the store, and wait until that is done.

        Raises:
            ConnectorError: The records cannot be written.
        """
        self._file.flush()

    def close(self) -> None:
        """Flush and close.

        Raises:
            ConnectorError: The last records cannot be written.
        """
        self._file.close()
