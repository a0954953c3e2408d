"""Configure how the C library handles freed memory."""

from __future__ import annotations

from typing import Final

_LARGEST_THAT_COUNTS: Final = (32 << 20) - (64 << 10)
"""A little less than DEFAULT_MMAP_THRESHOLD_MAX, the largest size that moves glibc's threshold."""


def reuse_freed_memory() -> None:
    """Make glibc keep freed memory for the next use.

    The plugins allocate and free blocks of some megabytes all the time: files, request bodies,
    batches of lines. By default, glibc returns each block to the system. The next block is new
    memory, which the kernel clears page by page. That costs half a million page faults and 0.7 s of
    CPU in a million events.

    glibc uses a threshold: the size of the largest mapped block that was freed so far (mallopt(3),
    "dynamic mmap threshold"). So it is enough to free one large block at the start of the process.
    This block is never written to, so it takes no memory. Other C libraries ignore it.
    """
    bytes(_LARGEST_THAT_COUNTS)
