"""A stand-in for a service, in a process of its own, so that its time is not the plugin's."""

from __future__ import annotations

import json
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class StandIn:
    """The process. Its first line says where it is; it answers each line with its counts."""

    def __init__(self, process: subprocess.Popen[str], first_line: list[str]) -> None:
        """Keep the process and the words of its first line."""
        self._process = process
        self.url, *self.more = first_line

    def counts(self) -> dict[str, int]:
        """Return what it counted since the last call."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        counts: dict[str, int] = json.loads(self._process.stdout.readline())
        return counts


@contextmanager
def running(*module_and_arguments: str) -> Iterator[StandIn]:
    """Start a module of this benchmark, and end it with the block."""
    argv = [sys.executable, "-m", *module_and_arguments]
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        yield StandIn(process, process.stdout.readline().split())
