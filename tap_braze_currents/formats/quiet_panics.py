"""Keep the stack traces of polars out of the log.

When polars meets damaged bytes, it may panic. The panic is an exception that the caller handles and
logs in one line. But before that, the Rust runtime of polars writes up to a hundred lines to
standard error, and polars has no option to turn that off. So file descriptor 2 points to a
temporary file during the call, which takes milliseconds.
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
    """Hold back standard error during the block. Drop it if the block raises, or else write it."""
    try:
        shown = os.dup(_STDERR)
    except OSError:  # standard error is closed, so there is no output to hold back
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
        # If the block did not raise, the text comes from a log line of another thread.
        if written := os.fstat(aside).st_size:
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
