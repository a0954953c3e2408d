"""Listings of a store, ended before an answer without end fills the memory.

The store library reads each answer to a listing as a whole, without a limit of its own, and its
calls cannot be cancelled. So a thread watches the memory of the process while one is under way. If
it grows too much, the thread shuts the connections down that have brought much: the library gives
up and frees what it has read. Where something else has grown meanwhile, a listing is not hurt, and
the read of a file that loses its connection is repeated.
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
from typing import TYPE_CHECKING, Final, TypeVar

from obstore.exceptions import BaseError

from braze_mixpanel.stores.service_answers import ServiceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

T = TypeVar("T")
PAGE_MEMORY_BYTES: Final = 256 << 20
"""How much the process may grow while it waits for one answer. A page of 1,000 keys has 3 MB."""
FOLDER_MEMORY_BYTES: Final = 1 << 30
"""The same while it waits for a whole folder, which may take many answers: 3 million files."""
MUCH_BYTES: Final = 64 << 20
"""What a connection has brought that may be the cause."""
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
    """Cuts connections while the process holds too much."""

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
        while not self._has_ended.wait(_LOOK_SECONDS):
            # Once it was too much, each new attempt of the library is cut as soon as it is seen.
            if self.has_cut or held_bytes() > self._most_bytes:
                self.has_cut |= _cut_connections(0 if self.has_cut else MUCH_BYTES)

    def end(self) -> None:
        """Stop to look, and wait until nothing is cut any more."""
        self._has_ended.set()
        self.join()


def _cut_connections(least_bytes: int) -> bool:
    """Shut down the TCP connections of this process that have brought at least so many bytes.

    Returns:
        Whether there was one.
    """
    has_cut = False
    for name in os.listdir(_DESCRIPTORS):  # noqa: PTH208 - names alone, of what may be gone
        with suppress(OSError):  # no socket, or closed since
            own = os.dup(int(name))  # a number of ours: nobody else can reuse it meanwhile
            try:
                has_cut |= _cut(own, least_bytes)
            finally:
                os.close(own)
    return has_cut


def _cut(descriptor: int, least_bytes: int) -> bool:
    connection = socket.socket(fileno=descriptor)
    try:
        is_tcp = connection.type == socket.SOCK_STREAM and connection.family in _INTERNET
        if not is_tcp or _received(connection) < least_bytes:
            return False
        connection.getpeername()  # raises for one that listens
        connection.shutdown(socket.SHUT_RDWR)
        return True
    finally:
        connection.detach()


def _received(connection: socket.socket) -> int:
    """Return how many bytes a connection has brought; without end where the system does not say."""
    if sys.platform != "linux":
        return sys.maxsize
    told = connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_RECEIVED + 8)
    if len(told) < _BYTES_RECEIVED + 8:
        return sys.maxsize
    return int(struct.unpack_from("=Q", told, _BYTES_RECEIVED)[0])


def held_bytes() -> int:
    """Return how much memory the process holds; where the system does not say, held at most."""
    try:
        return int(_STATM.read_bytes().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return most if sys.platform == "darwin" else most << 10
