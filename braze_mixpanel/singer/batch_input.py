"""Read the files of BATCH messages line by line."""

from __future__ import annotations

import io
import posixpath
from contextlib import contextmanager
from pathlib import Path
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
        message: The parsed message. `encoding` must be `jsonl`, with gzip or no compression.
        storage: The setting `batch_config.storage`. Only files below its root are read. Otherwise a
            message could name any file and any URL.

    Yields:
        Lists of lines. Each line is the JSON of a record.

    Raises:
        InputError: The encoding is not supported, or a file cannot be read.
        SettingsError: The setting is missing or wrong.
    """
    if not storage:
        raise SettingsError(
            f"A BATCH message of stream {message['stream']} names files, and setting "
            "batch_config is missing: set batch_config.storage.root to the folder where the tap "
            "writes them. This program reads no file outside it."
        )
    compressed = _is_compressed(message["encoding"])
    for url in message["manifest"]:
        file = _path_of(url, storage)
        try:
            with _open(file, compressed=compressed) as lines:
                yield from line_blocks(lines, name=f"The BATCH file {url}")
        except ConnectorError:
            raise
        except Exception as error:  # each store library has its own error classes
            raise _unreadable(url, error) from error


def _is_compressed(encoding: Mapping[str, Any]) -> bool:
    """Return whether the files are compressed.

    Raises:
        InputError: The format or compression is not supported.
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


def _path_of(url: str, storage: Mapping[str, Any]) -> UPath:
    """Return the path of a file below the root in the settings.

    The SDK's function is not used, because it would first create the folder, or on S3 the bucket.

    Raises:
        InputError: The file is not below the root.
        SettingsError: The setting has no folder.
    """
    try:
        place = StorageTarget.from_dict(dict(storage))
    except TypeError as error:
        raise SettingsError(
            "Setting batch_config.storage is wrong: give the folder as root, and the options "
            "of its file system, if there are any, as params."
        ) from error
    name = _name_below(str(place.root), url)
    try:
        file = file_in(place, name)
        _require_regular_file(file, str(place.root))
    except Exception as error:
        raise _unreadable(url, error) from error
    return file


def _name_below(root: str, url: str) -> str:
    """Return the path of a file below the root. For a URL outside of the root, return its name.

    The tap may know the same folder by another path, so a different folder is not an error.
    """
    start = root.rstrip("/") + "/"
    name = url.removeprefix(start) if url.startswith(start) else posixpath.basename(url)
    if not name or any(part in ("", ".", "..") for part in name.split("/")):
        return posixpath.basename(name) or "(no name)"
    return name


def _require_regular_file(file: UPath, root: str) -> None:
    """Raise for a local file that leads out of the root (a link) or never ends (a pipe, a device).

    Raises:
        OSError: The file is not a regular file below the root.
    """
    if getattr(file, "protocol", "") not in ("", "file", "local"):
        return
    real = Path(file.path).resolve(strict=True)
    if not real.is_relative_to(Path(root.removeprefix("file://")).resolve()):
        raise PermissionError("it is a link to a place outside batch_config.storage.root")
    if not real.is_file():
        raise OSError("it is not a regular file")


def _unreadable(url: str, error: Exception) -> InputError:
    """Return the error for a file that cannot be read, with the cause in one line."""
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
            raise EOFError("it is empty, and a gzip file is never empty")
        raw.seek(0)
        unpacked = igzip.open(raw, "rb")  # type: ignore[no-untyped-call]
        yield cast("IO[bytes]", io.BufferedReader(cast("io.RawIOBase", unpacked)))
