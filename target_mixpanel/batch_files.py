"""The files that a BATCH message names, read line by line."""

from __future__ import annotations

import io
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Any, cast

from isal import igzip
from isal.igzip_lib import IsalError
from singer_sdk.helpers._batch import StorageTarget

from braze_mixpanel.errors import InputError
from braze_mixpanel.singer_lines import line_blocks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


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
        InputError: The format is another, or a file cannot be read.
    """
    encoding = message["encoding"]
    if encoding.get("format") != "jsonl":
        raise InputError(
            f"BATCH files of the format {encoding.get('format')} cannot be read: set the tap's "
            "batch_config.encoding.format to jsonl."
        )
    for url in message["manifest"]:
        try:
            with _open(url, storage, compressed=encoding.get("compression") == "gzip") as file:
                yield from line_blocks(file)
        except (OSError, EOFError, IsalError) as error:  # type: ignore[misc]  # its stub
            raise InputError(f"The BATCH file {url} cannot be read: {error}.") from error


@contextmanager
def _open(url: str, storage: Mapping[str, Any] | None, *, compressed: bool) -> Iterator[IO[bytes]]:
    folder, name = StorageTarget.split_url(url)
    place = StorageTarget.from_dict(dict(storage)) if storage else StorageTarget.from_url(folder)
    with place.open(name, mode="rb") as raw:
        if compressed:
            unpacked = igzip.open(raw, "rb")  # type: ignore[no-untyped-call]
            yield cast("IO[bytes]", io.BufferedReader(cast("io.RawIOBase", unpacked)))
        else:
            yield raw
