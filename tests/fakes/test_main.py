"""`python -m tests.fakes` serves all that the documented pipelines need."""

from __future__ import annotations

import re
import signal
import subprocess
import sys

from tests.end_to_end.project import BIN
from tools.definitions import ROOT


def test_the_printed_settings_carry_cohorts_from_mixpanel_to_braze(tmp_path):
    command = [sys.executable, "-m", "tests.fakes"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as fakes:
        assert fakes.stdout is not None
        printed = []
        while not (printed and "TARGET_BRAZE_COHORTS_API_KEY" in printed[-1]):
            printed.append(fakes.stdout.readline())
        script = "".join(printed) + (
            f"{BIN}/tap-mixpanel-cohorts --config ENV | {BIN}/target-braze-cohorts --config ENV\n"
        )
        done = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", script],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
        fakes.send_signal(signal.SIGINT)
        left = fakes.stdout.read()
    assert done.returncode == 0, done.stderr
    assert re.search(r"1001 +VIP +120", done.stderr)
    assert "Braze holds the attribute of 120 users" in left
