"""Reads files ahead in the background, so that decoding does not wait for the network."""

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
"""Small files wait for the network, not for the processor: many are read at once."""
LARGE_FILES_AHEAD = 8
LARGE_BYTES = 1 << 20
BYTES_AHEAD = 96 << 20
"""Eight files of 100,000 events, as large as Braze writes them."""
READING_THREADS = 64
LARGE_AT_ONCE = 4
"""Each holds a piece twice for a moment: in the library that reads it, and in the file."""
PIECE_BYTES = 1 << 20
"""Larger objects are read piece by piece: what breaks is resumed, not begun again.

Small ones, since the allocator keeps several for each thread after they are gone.
"""
ATTEMPTS = 5
FIRST_WAIT_SECONDS = 0.2
_LARGE_TURN = BoundedSemaphore(LARGE_AT_ONCE)


class Fetched(NamedTuple):
    """A file and its content, or the error that reading it ended with."""

    event_type: str
    file: RemoteFile
    content: Future[bytes | memoryview]


def fetch_ahead(
    files: Iterator[tuple[str, RemoteFile]],
    fetch: Callable[[RemoteFile], bytes | memoryview],
    pool: Executor,
    files_ahead: int = FILES_AHEAD,
) -> Iterator[Fetched]:
    """Fetch a bounded number of files, and of bytes, ahead of the one that is being worked on.

    Args:
        files: Event types and files to read; consumed only as far as is fetched ahead.
        fetch: Reads one.
        pool: Threads to read in.
        files_ahead: Most files ahead.

    Yields:
        The files in their order. The caller drops each one before it asks for the next, since its
        content fills memory. At least one is always on its way; more only while they are few and
        fit in memory.
    """
    ahead: deque[tuple[int, Fetched]] = deque()
    held = 0
    following = next(files, None)
    while following or ahead:
        fetched = None
        if ahead:
            size, fetched = ahead.popleft()
            held -= size
        while following:
            event_type, file = following
            size = PIECE_BYTES if file.size is None else file.size
            large = sum(some > LARGE_BYTES for some, _ in ahead) if size > LARGE_BYTES else 0
            is_full = len(ahead) >= files_ahead or large >= LARGE_FILES_AHEAD
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
    """Read an object, and retry where that may help.

    Args:
        bucket: Where it lies.
        file: The object.
        size: How many bytes of its beginning; all by default.
        attempts: How often each request is sent at most.
        first_wait: Seconds before the second attempt at most; each later wait is twice as long.

    Returns:
        Its content; without a request if it is listed as empty.

    Raises:
        FileNotFoundError: It was deleted after it was listed.
        BrokenFileError: It is larger than `FILE_BYTES`.
        ConnectorError: It cannot be read.
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
    except Exception as error:  # the stores have errors of their own
        raise explain(error, file.path, CURRENTS) from error


def _read_pieces(read: Callable[[int, int], bytes], size: int) -> memoryview:
    # Not on the heap, where the gaps of files that are gone would stay.
    content = memoryview(mmap.mmap(-1, size))
    filled = 0
    while filled < size:
        piece = read(filled, min(filled + PIECE_BYTES, size))
        if not piece:
            break  # the object is shorter than listed; the decoder will say what is missing
        content[filled : filled + len(piece)] = piece
        filled += len(piece)
    return content[:filled]


def _retrying(
    bucket: Bucket, file: RemoteFile, attempts: int, first_wait: float
) -> Callable[[int | None, int | None], bytes]:
    """Return what reads a range of an object, from a byte to the one before another, with retries.

    It returns nothing if the object ends before the range: a shorter one may have replaced it.
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
