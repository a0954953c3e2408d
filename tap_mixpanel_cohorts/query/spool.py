"""Keep a cohort's members on disk until all its pages have been read."""

from __future__ import annotations

import tempfile
from array import array
from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import TemporaryError
from tap_mixpanel_cohorts.reading.cohort import Block

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_BLOCK_BYTES: Final = 1 << 20
_BUCKETS: Final = 256


class Spool:
    """Hold the records of a cohort until the cohort is complete.

    A cohort is emitted completely or not at all, and may be larger than the memory. The temporary
    file has no name: other users cannot open it, and it disappears with the process.
    """

    def __init__(self) -> None:
        """Create an empty spool. The file is created when more than 1 MiB has been added."""
        self._file = tempfile.SpooledTemporaryFile(max_size=_BLOCK_BYTES)  # noqa: SIM115 - closed below
        self._hashes = [array("q") for _ in range(_BUCKETS)]
        self.received = 0

    def add(self, ids: Iterable[str], lines: bytes) -> None:
        """Add the records of a page.

        Args:
            ids: The distinct ids of the members.
            lines: The records as NDJSON.

        Raises:
            TemporaryError: The disk is full.
        """
        for who in ids:
            number = hash(who)
            self._hashes[number % _BUCKETS].append(number)
            self.received += 1
        try:
            self._file.write(lines)
        except OSError as error:
            raise TemporaryError(
                f"Members cannot be kept in {tempfile.gettempdir()} until their cohort is "
                f"complete: {error.strerror}. Make room there, or set TMPDIR."
            ) from error

    def distinct(self) -> int:
        """Return the number of different members, counted by their 64-bit hashes.

        The hashes are in buckets, so that only a small set is in memory at a time.
        """
        return sum(len(set(bucket)) for bucket in self._hashes)

    def blocks(self) -> Iterator[Block]:
        """Yield all records."""
        self._file.seek(0)
        rest = b""
        while block := self._file.read(_BLOCK_BYTES):
            whole, newline, rest_of_block = block.rpartition(b"\n")
            if newline:
                lines = rest + whole + newline
                yield Block(lines, lines.count(b"\n"))
                rest = rest_of_block
            else:
                rest += block
        self.close()

    def close(self) -> None:
        """Delete the file."""
        self._file.close()
