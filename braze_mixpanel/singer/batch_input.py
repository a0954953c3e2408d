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
        storage: The setting `batch_config.storage`, if the URLs in the manifest are not enough.

    Yields:
        Lists of lines, each the JSON of a record.

    Raises:
        InputError: The encoding is not supported, or a file cannot be read.
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
    """Return whether the files are compressed.

    Raises:
        InputError: Their format or compression is not supported.
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
    """Return the path of a file: by its URL, or by its name in the folder of the setting.

    The SDK's own function would first create the folder, and on S3 the bucket.

    Raises:
        InputError: No file system is known for the URL.
        SettingsError: The setting names no folder.
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
    """Make the error for a file that cannot be read, with the cause in one line."""
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
