"""How the C library treats memory that a plugin frees."""

from __future__ import annotations

from typing import Final

_LARGEST_THAT_COUNTS: Final = (32 << 20) - (64 << 10)
"""A little under the largest block that glibc learns from, DEFAULT_MMAP_THRESHOLD_MAX."""


def reuse_freed_memory() -> None:
    """Keep memory that the plugin frees for its next use.

    The plugins make and free blocks of some megabytes all the time: files, request bodies, batches
    of lines. By default glibc returns each of them to the system. The next one is new memory, and
    the kernel clears it page by page: half a million page faults and 0.7 s of CPU in a million
    events. glibc decides by a threshold that is the size of the largest mapped block freed so far
    (mallopt(3), "dynamic mmap threshold"). So one large block, freed at the start of the process,
    is enough. The block is never written to, so it takes no memory. Other C libraries ignore it.
    """
    bytes(_LARGEST_THAT_COUNTS)
