"""The files that a BATCH message names, read line by line."""

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
        message: With `encoding` (format `jsonl`, compression `gzip` or none) and `manifest`.
        storage: The setting `batch_config.storage`. Only files below its root are read: a message
            could name any file and any address otherwise.

    Yields:
        Lists of lines, each the JSON of a record.

    Raises:
        InputError: The encoding is another, or a file cannot be read.
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


def _path_of(url: str, storage: Mapping[str, Any]) -> UPath:
    """Find a file below the root that the setting names: by its path there, else by its name.

    The SDK's own function would first create the folder, and on S3 the bucket.

    Raises:
        InputError: The file is not below the root.
        SettingsError: The setting names no folder.
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
    """Give a file's path below the root, or its name alone where the URL lies elsewhere.

    A tap may see the same folder by another path, so its folder is not compared.
    """
    start = root.rstrip("/") + "/"
    name = url.removeprefix(start) if url.startswith(start) else posixpath.basename(url)
    if not name or any(part in ("", ".", "..") for part in name.split("/")):
        return posixpath.basename(name) or "(no name)"
    return name


def _require_regular_file(file: UPath, root: str) -> None:
    """Refuse what leads out of a local root (a link) or never ends (a pipe, a device).

    Raises:
        OSError: It is such a file.
    """
    if getattr(file, "protocol", "") not in ("", "file", "local"):
        return
    real = Path(file.path).resolve(strict=True)
    if not real.is_relative_to(Path(root.removeprefix("file://")).resolve()):
        raise PermissionError("it is a link to a place outside batch_config.storage.root")
    if not real.is_file():
        raise OSError("it is no regular file")


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
