"""Keeps the trace that a native library writes about damaged bytes out of the log.

A panic in polars is an exception that is caught here, and the file is named in one line of its own.
Before that its Rust runtime writes a hundred lines to standard error, which nothing in the library
turns off: so file descriptor 2 leads elsewhere for the milliseconds of the call.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2


@contextmanager
def quiet_panics() -> Iterator[None]:
    """Drop what is written to standard error if the block raises; else pass it on."""
    try:
        shown = os.dup(_STDERR)
    except OSError:  # standard error is closed: nothing can be shown
        yield
        return
    aside = _aside()
    os.dup2(aside, _STDERR)
    try:
        yield
    except BaseException:
        os.ftruncate(aside, 0)
        raise
    finally:
        os.dup2(shown, _STDERR)
        if written := os.fstat(aside).st_size:  # another thread's line
            with suppress(OSError):
                os.write(shown, os.pread(aside, written, 0))
            os.ftruncate(aside, 0)
        os.lseek(aside, 0, os.SEEK_SET)
        os.close(shown)


@cache
def _aside() -> int:
    """Return the one file without a name that takes what is written meanwhile.

    It is a bare descriptor: Python would warn about a file object that is open when it exits.
    """
    with tempfile.TemporaryFile(buffering=0) as file:
        return os.dup(file.fileno())
