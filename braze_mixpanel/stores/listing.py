"""Listings of a store, ended before an answer without end fills the memory.

The store library reads each answer to a listing as a whole, without a limit of its own, and its
calls cannot be cancelled. So a thread watches the memory of the process while a listing is under
way. If the memory grows too much, the thread shuts down the connections that have received much
since the listing began. The library then gives up and frees what it has read.

The process may also grow because it decodes a large file. An honest page of a listing is small, so
its connection stays open then. A file that loses its connection is read again.
"""

from __future__ import annotations

import os
import resource
import socket
import struct
import sys
import threading
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

from obstore.exceptions import BaseError

from braze_mixpanel.stores.service_answers import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
_Ends = tuple[Any, Any]
PAGE_MEMORY_BYTES: Final = 256 << 20
"""How much the process may grow while it waits for one answer. A page of 1,000 keys has 3 MB."""
FOLDER_MEMORY_BYTES: Final = 1 << 30
"""The same while it waits for a whole folder, which may take many answers: 3 million files."""
MUCH_BYTES: Final = 64 << 20
"""A connection that receives so much during one request for a listing may be the cause."""
_LOOK_SECONDS: Final = 0.1
_STATM: Final = Path("/proc/self/statm")
_DESCRIPTORS: Final = "/dev/fd"
_INTERNET: Final = (socket.AF_INET, socket.AF_INET6)
_BYTES_RECEIVED: Final = 128
"""Where `tcpi_bytes_received` is in Linux's `struct tcp_info`, see linux/tcp.h."""


def pages_of(pages: Iterable[T]) -> Iterator[T]:
    """Yield the pages of a listing.

    Args:
        pages: Asks the service for each when it comes to it.

    Raises:
        ServiceError: An answer takes more memory than `PAGE_MEMORY_BYTES`.
    """
    asking = iter(pages)
    while True:
        try:
            with within_memory(PAGE_MEMORY_BYTES):
                page = next(asking)
        except StopIteration:
            return
        yield page


@contextmanager
def within_memory(most_bytes: int = FOLDER_MEMORY_BYTES) -> Iterator[None]:
    """Surround a request for a listing.

    Args:
        most_bytes: How much the process may grow meanwhile.

    Raises:
        ServiceError: It grew more, and the request failed when its connection was shut down.
    """
    watch = _Watch(held_bytes() + most_bytes)
    watch.start()
    try:
        yield
    except BaseError:
        if watch.has_cut:
            raise ServiceError(
                f"the answer to a listing takes more than {most_bytes >> 20} MiB",
                "ListingTooLarge",
            ) from None
        raise
    finally:
        watch.end()


class _Watch(threading.Thread):
    """Cut connections while the process holds too much memory."""

    def __init__(self, most_bytes: int) -> None:
        """Prepare the thread.

        Args:
            most_bytes: More is too much.
        """
        super().__init__(daemon=True)
        self._most_bytes = most_bytes
        self._has_ended = threading.Event()
        self.has_cut = False
        """Whether a connection was cut."""

    def run(self) -> None:
        """Look until the request has ended."""
        if self._has_ended.wait(_LOOK_SECONDS):
            return
        # Connections stay open for many requests: only what they receive from here on counts.
        before = {key: _received(one) for key, one in _connections()}
        while not self._has_ended.wait(_LOOK_SECONDS):
            if held_bytes() > self._most_bytes:
                for key, connection in _connections():
                    if _received(connection) - before.get(key, 0) >= MUCH_BYTES:
                        self.has_cut = True
                        with suppress(OSError):  # the other end has closed it meanwhile
                            connection.shutdown(socket.SHUT_RDWR)

    def end(self) -> None:
        """Stop the thread, and wait until it has ended."""
        self._has_ended.set()
        self.join()


def _connections() -> Iterator[tuple[_Ends, socket.socket]]:
    """Yield the TCP connections of this process, each with the addresses of its two ends.

    A connection is valid only until the next one.
    """
    for entry in Path(_DESCRIPTORS).iterdir():
        with suppress(OSError), _copied(int(entry.name)) as copy:  # not a socket, or closed now
            connection = socket.socket(fileno=copy)
            try:
                if connection.type == socket.SOCK_STREAM and connection.family in _INTERNET:
                    yield (connection.getsockname(), connection.getpeername()), connection
            finally:
                connection.detach()


@contextmanager
def _copied(descriptor: int) -> Iterator[int]:
    """Copy a descriptor: no other thread can close the copy and reuse its number."""
    copy = os.dup(descriptor)
    try:
        yield copy
    finally:
        os.close(copy)


def _received(connection: socket.socket) -> int:
    """Return how many bytes a connection has received; 0 where the system does not say it."""
    if sys.platform != "linux":
        return 0
    info = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED + 8)
    if len(info) < _BYTES_RECEIVED + 8:
        return 0
    return int(struct.unpack_from("=Q", info, _BYTES_RECEIVED)[0])


def held_bytes() -> int:
    """Return how much memory the process holds; where the system does not say, held at most."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
