"""End a process in time after SIGTERM or SIGINT, also while it waits inside of a library.

Python calls a signal handler between two instructions of the main thread. While a native library
waits for a server, this thread executes no instructions, and no handler runs. But Python can also
write the number of a signal to a pipe at once (`signal.set_wakeup_fd`). A separate thread reads the
pipe, and ends the process if it has not ended by itself after the grace period.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import StoppedError

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGNALS: Final = frozenset({signal.SIGTERM, signal.SIGINT})
_FLUSH_SECONDS: Final = 1.0


@contextmanager
def stop_clock(name: str, grace_seconds: float) -> Iterator[None]:
    """End the process if the block does not end within the grace period after a signal.

    Args:
        name: The name of the command, for the message.
        grace_seconds: The seconds that the block may take after the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python handles signals only in the main thread
        return
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    ended = threading.Event()
    watching = threading.Thread(
        target=_watch, args=(reading, name, grace_seconds, ended), name="stop-clock", daemon=True
    )
    watching.start()
    try:
        yield
    finally:
        ended.set()
        signal.set_wakeup_fd(before)
        os.close(writing)  # the thread then reads the end of the pipe, and ends


def _watch(reading: int, name: str, grace_seconds: float, ended: threading.Event) -> None:
    """Wait for a signal, then for the end of the block. If it does not end, end the process."""
    try:
        while signums := os.read(reading, 1):
            if signums[0] in _SIGNALS:
                deadline = time.monotonic() + grace_seconds
                if not ended.wait(deadline - time.monotonic()):
                    _end(name, grace_seconds)
                return
    finally:
        os.close(reading)


def _end(name: str, grace_seconds: float) -> None:
    # Flush standard output, because its buffer may hold the second half of a line. The stuck thread
    # may hold the lock of the buffer, so this runs in a thread and is not waited for long.
    flush = threading.Thread(target=_flush, daemon=True)
    flush.start()
    flush.join(_FLUSH_SECONDS)
    # Not with `logging`, because the stuck thread may hold its lock.
    with suppress(OSError):
        os.write(
            2,
            f"{name}: stopped by a signal, and ended after {grace_seconds:.0f} s because a server "
            "or a library did not respond. Run again: it continues from the last STATE.\n".encode(),
        )
    os._exit(StoppedError.exit_code)


def _flush() -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
