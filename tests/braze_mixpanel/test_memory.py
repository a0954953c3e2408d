"""Memory that a plugin frees serves its next block."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

_FREE_MANY_BLOCKS = """
import resource
import sys
from braze_mixpanel.memory import reuse_freed_memory

if sys.argv[1] == "yes":
    reuse_freed_memory()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(100):
    blocks = [b"x" * 3_000_000, b"y" * 2_000_000, b"z" * 5_000_000]
    del blocks
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def _page_faults(reuse: str) -> int:
    argv = [sys.executable, "-c", _FREE_MANY_BLOCKS, reuse]
    return int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


def _growth_of_the_peak(statement: str) -> int:
    """Return by how many kB a statement raises a process's peak.

    The peak comes from the process's own address space: `ru_maxrss` includes that of the process
    that started it.
    """
    code = (
        "import re; from braze_mixpanel.memory import reuse_freed_memory; "
        "peak = lambda: int(re.search(r'VmHWM:\\s+(\\d+)', open('/proc/self/status').read())[1]); "
        f"before = peak(); {statement}; print(peak() - before)"
    )
    argv = [sys.executable, "-c", code]
    return int(subprocess.run(argv, check=True, capture_output=True, text=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc has the threshold")
def test_freed_blocks_are_used_again_instead_of_new_memory() -> None:
    """A gigabyte made and freed takes few new pages: 10 MB, the most at once, are 2,500."""
    assert _page_faults("yes") < 5_000
    assert _page_faults("no") > 50_000


@pytest.mark.skipif(sys.platform != "linux", reason="the peak is read from /proc")
def test_the_block_itself_takes_no_memory() -> None:
    assert _growth_of_the_peak("reuse_freed_memory()") < 4_000
    assert _growth_of_the_peak("b'x' * (32 << 20)") > 30_000
