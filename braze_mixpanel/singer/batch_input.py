"""The files that a BATCH message names, read line by line."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from isal import igzip

from braze_mixpanel.errors import ConnectorError, InputError, SettingsError
from braze_mixpanel.sdk import StorageTarget, file_in
from braze_mixpanel.singer.line_blocks import line_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from upath import UPath


def lines_of_batch(
    message: Mapping[str, Any], storage: Mapping[str, Any] | None
) -> Iterator[list[bytes]]:
    """Read the records of a BATCH message.

    Args:
        message: With `encoding` (format `jsonl`, compression `gzip` or none) and `manifest`.
        storage: The setting `batch_config.storage`, if the files' own place is not enough.

    Yields:
        Lists of lines, each the JSON of a record.

    Raises:
        InputError: The encoding is another, or a file cannot be read.
        SettingsError: The setting is wrong.
    """
    compressed = _is_compressed(message["encoding"])
    for url in message["manifest"]:
        file = _path_of(url, storage)
        try:
            with _open(file, compressed=compressed) as lines:
                yield from line_blocks(lines, name=f"The BATCH file {url}")
        except ConnectorError:
            raise
        except Exception as error:  # each store's library has errors of its own
            raise _unreadable(url, error) from error


def _is_compressed(encoding: Mapping[str, Any]) -> bool:
    """Read how the files are written.

    Raises:
        InputError: In no way that is known here.
    """
    form, compression = encoding.get("format"), encoding.get("compression")
    for part, value, known in (
        ("format", form, ("jsonl",)),
        ("compression", compression, (None, "none", "gzip")),
    ):
        if value not in known:
            raise InputError(
                f"BATCH files of the {part} {value} cannot be read: set the tap's "
                f"batch_config.encoding.{part} to {known[-1]}."
            )
    return compression == "gzip"


def _path_of(url: str, storage: Mapping[str, Any] | None) -> UPath:
    """Find a file: where its URL says, or by its name in the place that the setting says.

    The SDK's own way to open it would first make the folder, and on S3 the bucket.

    Raises:
        InputError: There is no such kind of place.
        SettingsError: The setting names none.
    """
    try:
        folder, name = StorageTarget.split_url(url)
        place = StorageTarget.from_url(folder)
    except Exception as error:
        raise _unreadable(url, error) from error
    if storage:
        try:
            place = StorageTarget.from_dict(dict(storage))
        except TypeError as error:
            raise SettingsError(
                "Setting batch_config.storage is wrong: give the folder as root, and the options "
                "of its file system, if there are any, as params."
            ) from error
    try:
        return file_in(place, name)
    except Exception as error:
        raise _unreadable(url, error) from error


def _unreadable(url: str, error: Exception) -> InputError:
    """Say in one line that a file cannot be read, and why."""
    why = " ".join(str(error).split()).rstrip(".") or type(error).__name__
    return InputError(
        f"The BATCH file {url} cannot be read: {why}. Is it where the tap wrote it, and may this "
        "program read there (credentials, batch_config.storage)? What came before was processed."
    )


@contextmanager
def _open(file: UPath, *, compressed: bool) -> Iterator[IO[bytes]]:
    with file.fs.open(file.path, "rb") as raw:
        if not compressed:
            yield raw
            return
        if not raw.read(1):
            raise EOFError("it is empty, which no gzip file is")
        raw.seek(0)
        unpacked = igzip.open(raw, "rb")  # type: ignore[no-untyped-call]
        yield cast("IO[bytes]", io.BufferedReader(cast("io.RawIOBase", unpacked)))
