"""Keeps records that could not be delivered, as Singer messages that can be replayed."""

from __future__ import annotations

import os
from typing import IO, TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.clean_text import one_line
from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.private_files import make_file, name_file
from braze_mixpanel.settings.redaction import masked

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_encode = msgspec.json.Encoder().encode


class DeadLetter:
    """One `.jsonl` file for each run, with SCHEMA and RECORD lines; the first record creates it.

    Each line holds the unchanged record and the reason why it was not delivered. The file contains
    personal data, so only its owner can read it (0600, in a folder of 0700).
    """

    def __init__(self, folder: Path | str, name: str) -> None:
        """Choose the file's name; nothing is written yet.

        Args:
            folder: The folder for the files of all runs.
            name: The plugin's name; the file's name starts with it.
        """
        self.path = name_file(folder, name)
        self.count = 0
        self._file: IO[bytes] | None = None
        self._known_schemas: dict[str, bytes] = {}
        self._dirty = False

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
            SettingsError: The file cannot be written.
        """
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
        try:
            if self._file is None:
                self._file = os.fdopen(make_file(self.path), "ab")
            self._file.write(lines + b"\n")
        except OSError as error:
            raise SettingsError(self._cannot_write(error)) from error
        self.count += 1
        self._dirty = True

    def flush(self) -> None:
        """Write everything to the disk: records that STATE covers must survive a power cut.

        Raises:
            SettingsError: The disk is full, or the file was deleted.
        """
        if self._file is None or not self._dirty:
            return
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
        except OSError as error:
            raise SettingsError(self._cannot_write(error)) from error
        self._dirty = False

    def close(self) -> None:
        """Flush and close."""
        if self._file is not None:
            self.flush()
            self._file.close()
            self._file = None

    def _cannot_write(self, error: OSError) -> str:
        return (
            f"The dead letter {self.path} cannot be written: {error.strerror or error}. "
            "Give a writable folder with free space in dead_letter_path."
        )
