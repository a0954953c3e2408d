"""The end of a target's standard output: who reads STATE may be gone."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

from braze_mixpanel.errors import TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def writing_state() -> Iterator[None]:
    """Surround the writing of a STATE.

    Raises:
        TemporaryError: Nobody reads it, or the disk is full.
    """
    try:
        yield
    except OSError as error:
        # Python flushes the rest of the buffer at exit: without this it would fail again there.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise TemporaryError(
            f"STATE cannot be written to standard output: {error.strerror}. Was the program "
            "that reads it stopped, or is the disk full? Run again; nothing is counted twice."
        ) from error
