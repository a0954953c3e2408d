"""Each plugin runs as a module too, where its command is not on the path."""

from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.parametrize(
    "package", ["tap_braze_currents", "target_mixpanel", "target_braze_cohorts"]
)
def test_a_package_runs_as_a_module(package: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", package, "--version"], capture_output=True, text=True, check=True
    )
    assert package.replace("_", "-") in result.stdout
