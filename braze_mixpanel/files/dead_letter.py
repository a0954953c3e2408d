"""Keeps records that could not be delivered, as Singer messages that can be replayed."""

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
    """One `.jsonl` file for each run, with SCHEMA and RECORD lines; the first record creates it.

    Each line holds the unchanged record and the reason why it was not delivered. The file contains
    personal data, so only its owner can read it (0600, in a folder of 0700). In a store it is
    written in parts (see `run_file`), each with the SCHEMA of its records, so that each can be
    replayed by itself.
    """

    def __init__(
        self,
        place: Path | str,
        name: str,
        *,
        options: Mapping[str, Any] | None = None,
        setting: str = "dead_letter_path",
    ) -> None:
        """Choose the file's name; nothing is written yet.

        Args:
            place: The folder for the files of all runs, or the URL of one in a store.
            name: The plugin's name; the file's name starts with it.
            options: The setting `path_options`.
            setting: The setting that names the place.

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
        """Check, without writing, that the store can be used.

        Raises:
            ConnectorError: It cannot.
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
            stream: Its stream.
            record: The unchanged record, as an object or as its JSON text.
            schema: The SCHEMA message of the stream (`stream`, `schema`, `key_properties`).
            reason: Short name of the rule or answer that rejected it.
            details: More about the rejection: `field`, `message`, `status`, `attempted_at`, …

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
        # The details quote answers, and a server may repeat what it was sent.
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
        """Return when all records are on the disk, or acknowledged by the store.

        Raises:
            ConnectorError: They cannot be written.
        """
        self._file.flush()

    def close(self) -> None:
        """Flush and close.

        Raises:
            ConnectorError: The last records cannot be written.
        """
        self._file.close()
