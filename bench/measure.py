"""Run a pipeline of processes and say what it cost."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import IO

_SAMPLE_SECONDS = 0.1


@dataclass(frozen=True)
class Command:
    """One process of a pipeline."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: Path | None = None


@dataclass(frozen=True)
class Run:
    """What one run of a pipeline took.

    Attributes:
        seconds: From the first start to the last end.
        cpu_seconds: User and system time of all its processes, with their children.
        peak_mb: Largest resident set of each process, by name; children are named apart.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: dict[str, float]


class RunFailedError(Exception):
    """A process of the pipeline did not end well."""


class _MemoryWatch:
    """Samples the peak of every process of a tree.

    The kernel's own account at the end of a process (`ru_maxrss`) begins with the peak of the
    process that forked it, and has no entry for grandchildren; so look at `VmHWM` on the way.
    """

    def __init__(self, roots: Mapping[str, int]) -> None:
        self.peaks: dict[str, float] = {}
        self._roots = roots
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(_SAMPLE_SECONDS):
            for name, pid in self._roots.items():
                with contextlib.suppress(psutil.Error):
                    root = psutil.Process(pid)
                    self._note(name, root)
                    for child in root.children(recursive=True):
                        self._note(f"{name} > {_short_name(child)}", child)

    def _note(self, name: str, process: psutil.Process) -> None:
        with contextlib.suppress(psutil.Error, OSError):
            self.peaks[name] = max(self.peaks.get(name, 0.0), _peak_mb(process))


def run_pipeline(commands: Sequence[Command], logs: Path, *, stdin: Path | None = None) -> Run:
    """Run processes joined by pipes; the last one's output is thrown away.

    Args:
        commands: From the first to the last.
        logs: Folder for what they write to stderr.
        stdin: A file for the first one to read.

    Raises:
        RunFailedError: One of them ended with another code than 0.
    """
    logs.mkdir(parents=True, exist_ok=True)
    processes: list[subprocess.Popen[bytes]] = []
    began = time.perf_counter()
    with contextlib.ExitStack() as stack:
        source: IO[bytes] | int | None = (
            stack.enter_context(stdin.open("rb")) if stdin else subprocess.DEVNULL
        )
        for command in commands:
            last = command is commands[-1]
            log = stack.enter_context((logs / f"{command.name}.log").open("wb"))
            process = subprocess.Popen(
                command.argv,
                stdin=source,
                stdout=subprocess.DEVNULL if last else subprocess.PIPE,
                stderr=log,
                env={**os.environ, **command.env},
                cwd=command.cwd,
            )
            if processes and processes[-1].stdout:
                processes[-1].stdout.close()
            processes.append(process)
            source = process.stdout
    watch = _MemoryWatch({c.name: p.pid for c, p in zip(commands, processes, strict=True)})
    cpu_seconds = 0.0
    for process in processes:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        cpu_seconds += usage.ru_utime + usage.ru_stime
    seconds = time.perf_counter() - began
    watch.stop()
    for command, process in zip(commands, processes, strict=True):
        if process.returncode != 0:
            path = logs / f"{command.name}.log"
            line = path.read_text(errors="replace").strip().rpartition("\n")[2]
            msg = f"{command.name} ended with {process.returncode} ({path}): {line}"
            raise RunFailedError(msg)
    return Run(seconds, cpu_seconds, watch.peaks)


def _short_name(process: psutil.Process) -> str:
    words = process.cmdline()
    names = [Path(word).name for word in words if not word.startswith("-")]
    return next((name for name in names if not name.startswith("python")), "?")[:40]


def _peak_mb(process: psutil.Process) -> float:
    status = Path(f"/proc/{process.pid}/status")
    if status.exists():
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return float(process.memory_info().rss) / 2**20
