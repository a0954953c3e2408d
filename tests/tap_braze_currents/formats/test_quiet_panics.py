"""What happens to standard error around a call into the native library."""

from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import os
from contextlib import suppress
from tap_braze_currents.formats.quiet_panics import quiet_panics

with quiet_panics():
    os.write(2, b"another thread's line\\n")
with suppress(ValueError), quiet_panics():
    os.write(2, b"the trace of a panic\\n")
    raise ValueError
"""


@pytest.fixture(scope="module")
def stderr() -> str:
    command = [sys.executable, "-W", "always", "-c", PROGRAM]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stderr


def test_lines_of_a_call_that_succeeds_are_passed_on(stderr):
    assert "another thread's line" in stderr


def test_the_trace_of_a_call_that_fails_is_dropped(stderr):
    assert "the trace of a panic" not in stderr


def test_no_open_file_is_left_for_python_to_warn_about_at_exit(stderr):
    assert "ResourceWarning: unclosed file" not in stderr
