"""Ctrl-C while a command starts shows no stack trace."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
before = set(sys.modules)
from braze_mixpanel.singer.interrupts import end_quietly_at_interrupt
end_quietly_at_interrupt()
print({*sys.modules} - before - {"_signal"}, flush=True)
import os, signal
os.kill(os.getpid(), signal.SIGINT)
"""


def test_sigint_is_handled_before_any_other_module_is_imported() -> None:
    done = subprocess.run(
        [sys.executable, "-S", "-c", PROGRAM],
        capture_output=True,
        cwd=Path(__file__).parents[3],
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (-2, "")
    imported = ast.literal_eval(done.stdout)
    assert "braze_mixpanel.singer.interrupts" in imported
    assert {name for name in imported if not name.startswith("braze_mixpanel")} == set()
