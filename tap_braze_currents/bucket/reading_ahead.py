"""Read files ahead in background threads, so that decoding does not wait for the network."""

from __future__ import annotations

import mmap
from collections import deque
from threading import BoundedSemaphore
from typing import TYPE_CHECKING, NamedTuple

import backoff

from braze_mixpanel.stores.store_errors import explain, is_past_end, is_temporary
from tap_braze_currents.bucket.open_store import CURRENTS
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from concurrent.futures import Executor, Future

    from tap_braze_currents.bucket.store import Bucket, RemoteFile

FILES_AHEAD = 64
"""For small files the time of a request dominates, so many are read at the same time."""
LARGE_FILES_AHEAD = 8
LARGE_BYTES = 1 << 20
BYTES_AHEAD = 96 << 20
"""Room for eight files of 100,000 events, the largest that Braze writes."""
READING_THREADS = 64
LARGE_AT_ONCE = 4
"""A large file being read has one piece in memory twice: in obstore's buffer and in the file."""
PIECE_BYTES = 1 << 20
"""Larger objects are read in pieces of this size. After a broken connection, only the piece is read
again.

The pieces are small because the memory allocator keeps several freed ones for each thread.
"""
ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.2
_LARGE_TURN = BoundedSemaphore(LARGE_AT_ONCE)


class Fetched(NamedTuple):
    """A file with its content, or with the error that reading it raised."""

    event_type: str
    file: RemoteFile
    content: Future[bytes | memoryview]


def fetch_ahead(
    files: Iterator[tuple[str, RemoteFile]],
    fetch: Callable[[RemoteFile], bytes | memoryview],
    pool: Executor,
    files_ahead: int = FILES_AHEAD,
) -> Iterator[Fetched]:
    """Read files in the background, with a bound on the number of files and on their bytes.

    Args:
        files: Event types and files to read. The iterator advances only as far as files are read
            ahead.
        fetch: Reads one file.
        pool: The threads that read.
        files_ahead: The most files to read ahead.

    Yields:
        The files in their order. The caller must drop each file before it asks for the next, to
        free the memory of its content. At least one file is always being read, even one that is
        larger than the bound.
    """
    ahead: deque[tuple[int, Fetched]] = deque()
    held = 0
    following = next(files, None)
    while following or ahead:
        # First take out the file to return, then fill the freed room, and only then yield. So the
        # next files are already being read while the caller decodes this one.
        fetched = None
        if ahead:
            size, fetched = ahead.popleft()
            held -= size
        while following:
            event_type, file = following
            size = PIECE_BYTES if file.size is None else file.size
            large = sum(some > LARGE_BYTES for some, _ in ahead) if size > LARGE_BYTES else 0
            is_full = len(ahead) >= files_ahead or large >= LARGE_FILES_AHEAD
            # `ahead` is empty: read the file whatever its size, or the run would never go on.
            if ahead and (is_full or held + size > BYTES_AHEAD):
                break
            held += size
            ahead.append((size, Fetched(event_type, file, pool.submit(fetch, file))))
            following = next(files, None)
        if fetched:
            yield fetched


def read_object(
    bucket: Bucket,
    file: RemoteFile,
    size: int | None = None,
    *,
    attempts: int = ATTEMPTS,
    first_wait: float = FIRST_WAIT_SECONDS,
) -> bytes | memoryview:
    """Read an object, and retry temporary errors.

    Args:
        bucket: The bucket that holds the object.
        file: The object.
        size: How many bytes of its beginning; all by default.
        attempts: How often each request is sent at most.
        first_wait: Seconds before the second attempt at most; each later wait is twice as long.

    Returns:
        The content. An object that is listed as empty costs no request.

    Raises:
        FileNotFoundError: The object was deleted after it was listed.
        BrokenFileError: The object is larger than `FILE_BYTES`.
        ConnectorError: The object cannot be read.
    """
    if file.size == 0:
        return b""
    if size is None and file.size is not None and file.size > FILE_BYTES:
        raise BrokenFileError(f"it is larger than {FILE_BYTES >> 20} MiB")
    read = _retrying(bucket, file, attempts, first_wait)
    try:
        if size is not None:
            return read(0, size)
        if file.size is None or file.size <= PIECE_BYTES:
            return read(None, None)
        with _LARGE_TURN:
            return _read_pieces(read, file.size)
    except (FileNotFoundError, BrokenFileError):
        raise
    except Exception as error:  # each store library has its own error classes
        raise explain(error, file.path, CURRENTS) from error


def _read_pieces(read: Callable[[int, int], bytes], size: int) -> memoryview:
    # An anonymous memory map goes back to the operating system when it is freed. The same bytes on
    # the heap would leave gaps there, and the process would grow from file to file.
    content = memoryview(mmap.mmap(-1, size))
    filled = 0
    while filled < size:
        piece = read(filled, min(filled + PIECE_BYTES, size))
        if not piece:
            break  # the object is shorter than listed; the decoder reports the missing bytes
        content[filled : filled + len(piece)] = piece
        filled += len(piece)
    return content[:filled]


def _retrying(
    bucket: Bucket, file: RemoteFile, attempts: int, first_wait: float
) -> Callable[[int | None, int | None], bytes]:
    """Return a function that reads a range of bytes of an object, with retries.

    The function takes the first byte and the byte after the last. It returns no bytes if the object
    ends before the range: a shorter object may have replaced it since the listing.
    """
    read = backoff.on_exception(
        backoff.expo,
        Exception,
        max_tries=attempts,
        giveup=lambda error: (
            isinstance(error, FileNotFoundError) or not is_temporary(error, file.path)
        ),
        factor=first_wait,
        logger=None,
    )(bucket.store.read)

    def read_range(start: int | None, end: int | None) -> bytes:
        try:
            return bytes(read(file.path, start=start, end=end))
        except Exception as error:
            if is_past_end(error):
                return b""
            raise

    return read_range
