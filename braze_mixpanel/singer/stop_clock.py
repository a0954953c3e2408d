"""Ends a process in time after SIGTERM or SIGINT, also while it waits inside a library.

Python calls a signal handler between two instructions of the main thread. A library that waits for
a server holds that thread for as long as the server likes, and no handler runs. The signal's number
in a pipe is read at once by a thread of its own, which ends the process if it outlives its grace.
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
    """End the process when a signal came and the block did not end within the grace period.

    Args:
        name: The command, for the message.
        grace_seconds: How long the block may take after the signal.
    """
    if threading.current_thread() is not threading.main_thread():
        yield  # Python takes signals in the main thread only
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
        os.close(writing)  # the thread reads the end of the pipe


def _watch(reading: int, name: str, grace_seconds: float, ended: threading.Event) -> None:
    """Wait for a signal, then for the end of the block; end the process if that does not come."""
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
    # Whole lines only: what is still in the buffer may be the second half of one. The thread that
    # is stuck may hold the buffer, so this is not waited for long.
    flush = threading.Thread(target=_flush, daemon=True)
    flush.start()
    flush.join(_FLUSH_SECONDS)
    # Not through `logging`, whose lock the stuck thread may hold.
    with suppress(OSError):
        os.write(
            2,
            f"{name}: stopped by a signal, and ended after {grace_seconds:.0f} s in which a server "
            "or a library did not let go. Run again: STATE says how far it went.\n".encode(),
        )
    os._exit(StoppedError.exit_code)


def _flush() -> None:
    with suppress(OSError, ValueError):
        sys.stdout.flush()
