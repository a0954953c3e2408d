"""A cohort's members between their pages and the output: on disk, the reader's alone."""

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
    """Holds records until it is certain that they are all there.

    A cohort is given out completely or not at all, and may be larger than the memory. The file has
    no name, so that it ends with the process.
    """

    def __init__(self) -> None:
        """Begin; the file is made when the first page comes."""
        self._file = tempfile.SpooledTemporaryFile(max_size=_BLOCK_BYTES)  # noqa: SIM115 - closed below
        self._hashes = [array("q") for _ in range(_BUCKETS)]
        self.received = 0

    def add(self, ids: Iterable[str], lines: bytes) -> None:
        """Keep a page.

        Args:
            ids: The members' distinct ids.
            lines: Their records as NDJSON.

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
        """Count the members, each once. Two in 27 million million have the same hash."""
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
