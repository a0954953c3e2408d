"""Write the files of BATCH messages. They hold records as JSON lines."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import uuid4

from isal import igzip

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.private_files import make_file
from braze_mixpanel.sdk import file_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from braze_mixpanel.sdk import BatchConfig, StorageTarget

_GZIP_LEVEL = 1
"""The fastest level: the files exist only for minutes, so speed counts more than size."""


def _write(storage: StorageTarget, name: str, content: bytes) -> None:
    """Write a file. A local file is readable only by its owner, because it holds personal data.

    The storage's own method for local files would write a temporary file and move it, with the
    permissions of the umask.
    """
    place = file_in(storage, name)
    if getattr(place, "protocol", "") in ("", "file", "local"):
        with os.fdopen(make_file(Path(place.path)), "wb") as file:
            file.write(content)
        return
    with storage.open(name, "wb") as file:
        file.write(content)


class BatchFiles:
    """Collect the records of one stream, and write a file whenever a batch is full."""

    def __init__(self, config: BatchConfig, name: str) -> None:
        """Check the settings. `add` and `flush` write the files.

        Args:
            config: The setting `batch_config`.
            name: The beginning of the file names, after the configured prefix.

        Raises:
            SettingsError: The format or the compression is not supported.
        """
        encoding = config.encoding
        if encoding.format != "jsonl" or encoding.compression not in {"gzip", "none", None}:
            raise SettingsError(
                f"batch_config asks for {encoding.format} with {encoding.compression}: set "
                "encoding to jsonl with the compression gzip or none."
            )
        self._config = config
        self._is_gzipped = encoding.compression == "gzip"
        self._name = f"{config.storage.prefix or ''}{name}-{uuid4()}"
        self._number = 0
        self._lines: list[bytes] = []
        self._records = 0

    def add(self, ndjson: bytes, records: int) -> Iterator[str]:
        """Add records, and write a file for each full batch.

        Args:
            ndjson: The records, each with a newline at its end.
            records: The number of records.

        Yields:
            The URL of each file that was written.
        """
        room = self._config.batch_size - self._records
        if records > room:
            lines = ndjson.splitlines(keepends=True)
            while len(lines) > room:
                self._take(b"".join(lines[:room]), room)
                yield from self.flush()
                lines, room = lines[room:], self._config.batch_size
            ndjson, records = b"".join(lines), len(lines)
        self._take(ndjson, records)

    def flush(self) -> Iterator[str]:
        """Write the remaining records.

        Yields:
            The URL of the file. Nothing if no record remains.

        Raises:
            SettingsError: The storage cannot be written to.
        """
        if not self._records:
            return
        self._number += 1
        content = b"".join(self._lines)
        suffix = ".json"
        if self._is_gzipped:
            content = igzip.compress(content, _GZIP_LEVEL)
            suffix = ".json.gz"
        name = f"{self._name}-{self._number}{suffix}"
        storage = self._config.storage
        try:
            _write(storage, name, content)
        except Exception as error:  # each file system library has its own error classes
            text = " ".join(str(error).split()) or type(error).__name__
            raise SettingsError(
                f"{storage.root} cannot be written to ({text}): check storage.root and "
                "storage.params of batch_config, and that there is free space."
            ) from error
        self._lines, self._records = [], 0
        yield storage.get_url(name)

    def _take(self, ndjson: bytes, records: int) -> None:
        self._lines.append(ndjson)
        self._records += records
