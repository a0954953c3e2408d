"""Reads files ahead in the background, so that decoding does not wait for the network."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, NamedTuple

import backoff

from tap_braze_currents.storage_errors import explain, is_temporary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from tap_braze_currents.bucket import Bucket, RemoteFile

FILES_AHEAD = 8
BYTES_AHEAD = 32 << 20
PIECE_BYTES = 8 << 20
"""Larger objects are read piece by piece: what breaks is resumed, not begun again."""
ATTEMPTS = 5


class Fetched(NamedTuple):
    """A file and its content, or the error that reading it ended with."""

    event_type: str
    file: RemoteFile
    content: Future[bytes]


def fetch_ahead(
    files: Iterator[tuple[str, RemoteFile]],
    fetch: Callable[[RemoteFile], bytes],
    pool: Executor,
) -> Iterator[Fetched]:
    """Fetch a bounded number of files ahead of the one that is being worked on.

    Args:
        files: Event types and files to read; consumed only as far as is fetched ahead.
        fetch: Reads one.
        pool: Threads to read in.

    Yields:
        The files in their order. At least one is always under way; more only as long as they are
        few and small enough to be held in memory.
    """
    ahead: deque[tuple[int, Fetched]] = deque()
    held = 0
    exhausted = False
    while True:
        while not exhausted and (not ahead or (len(ahead) < FILES_AHEAD and held < BYTES_AHEAD)):
            event_type, file = next(files, ("", None))
            if file is None:
                exhausted = True
                break
            size = file.size or 0
            held += size
            ahead.append((size, Fetched(event_type, file, pool.submit(fetch, file))))
        if not ahead:
            return
        size, fetched = ahead.popleft()
        held -= size
        yield fetched


def read_object(bucket: Bucket, file: RemoteFile, size: int | None = None) -> bytes:
    """Read an object, trying again where that may help.

    Args:
        bucket: Where it lies.
        file: The object.
        size: How many bytes of its beginning; all by default.

    Raises:
        FileNotFoundError: It was deleted after it was listed.
        ConnectorError: It cannot be read.
    """
    read_piece = backoff.on_exception(
        backoff.expo,
        Exception,
        max_tries=ATTEMPTS,
        giveup=lambda error: isinstance(error, FileNotFoundError) or not is_temporary(error),
        factor=0.2,
        logger=None,
    )(bucket.fs.cat_file)
    try:
        if size is not None:
            return bytes(read_piece(file.path, start=0, end=size))
        if file.size is None or file.size <= PIECE_BYTES:
            return bytes(read_piece(file.path))
        pieces = bytearray()
        while len(pieces) < file.size:
            piece = read_piece(
                file.path, start=len(pieces), end=min(len(pieces) + PIECE_BYTES, file.size)
            )
            if not piece:
                break  # the object is shorter than listed; the decoder will say what is missing
            pieces += piece
        return bytes(pieces)
    except FileNotFoundError:
        raise
    except Exception as error:  # each file system has its own tree of errors
        raise explain(error, file.path) from error
