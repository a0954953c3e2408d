"""Building and installing the wheel, for the tests in this folder."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from tools.definitions import ROOT

UV = Path(sys.executable).parent / "uv"  # a dependency of Meltano
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
THIS = f"{sys.version_info.major}.{sys.version_info.minor}"


def run(*command, **options):
    result = subprocess.run(
        command, capture_output=True, text=True, timeout=280, check=False, **options
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return result.stdout


def interpreter(version: str) -> str | None:
    """Find a Python; a shim that leads nowhere counts as none."""
    if version == THIS:
        return sys.executable
    found = shutil.which(f"python{version}")
    if found is None:
        return None
    code = "import sys; print(sys.executable)"
    result = subprocess.run([found, "-c", code], capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return result.stdout.strip()
    pyenv = Path(found).parents[1] / "versions"
    return next((str(path) for path in pyenv.glob(f"{version}.*/bin/python")), None)


def oldest_and_newest() -> list[str]:
    """The first and the last of the supported versions on this machine."""
    here = [version for version in PYTHONS if interpreter(version)]
    return sorted({here[0], here[-1]}, key=PYTHONS.index)


def build_wheel(folder: Path) -> Path:
    run(UV, "build", "--quiet", "--wheel", "--out-dir", folder, cwd=ROOT)
    (built,) = folder.glob("*.whl")
    return built
