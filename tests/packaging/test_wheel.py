"""The wheel, installed alone into empty environments, on old and new Pythons and dependencies.

By default the newest dependencies on this Python, and the lowest ones on the oldest Python here.
Every pair of Python and dependencies: `make test-matrix`, which sets WHEEL_MATRIX=all.
"""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import pytest

from tests.packaging.wheels import PYTHONS, THIS, UV, interpreter, run
from tools.definitions import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

COMMANDS = ("tap-braze-currents", "target-mixpanel", "target-braze-cohorts")
EXTRAS = ("s3", "gcs", "azure", "postgres", "report")


def cases():
    if os.environ.get("WHEEL_MATRIX") == "all":
        return [
            (version, resolution) for version in PYTHONS for resolution in ("highest", "lowest")
        ]
    oldest = next(version for version in PYTHONS if interpreter(version))
    return [(THIS, "highest"), (oldest, "lowest")]


def install(wheel: Path, python: str, resolution: str, folder: Path) -> Path:
    """Make an environment that holds the wheel and what it asks for; gives its folder bin."""
    no_downloads = {**os.environ, "UV_PYTHON_DOWNLOADS": "never"}
    run(UV, "venv", "--quiet", "--python", python, folder, env=no_downloads)
    pip = (UV, "pip", "install", "--quiet", "--python", folder)
    if resolution == "highest":
        run(*pip, f"{wheel}[{','.join(EXTRAS)}]", env=no_downloads)
    else:
        # What the bounds in pyproject.toml name is what has to work.
        lowest = folder / "lowest.txt"
        command = (UV, "pip", "compile", "--quiet", "--python", python, "--all-extras")
        run(
            *command,
            *("--resolution", "lowest-direct", "--output-file", lowest, ROOT / "pyproject.toml"),
            env=no_downloads,
        )
        run(*pip, "--requirements", lowest, env=no_downloads)
        run(*pip, "--no-deps", wheel, env=no_downloads)
    return folder / "bin"


@pytest.mark.parametrize(("version", "resolution"), cases())
def test_every_command_starts_from_the_wheel_alone(wheel, version, resolution, tmp_path):
    python = interpreter(version)
    if python is None:
        pytest.skip(f"no python{version} on this machine")
    commands = install(wheel, python, resolution, tmp_path / "environment")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    for name in COMMANDS:
        assert name in run(commands / name, "--version", cwd=elsewhere)
        facts = json.loads(run(commands / name, "--about", "--format", "json", cwd=elsewhere))
        assert facts["name"] == name
    (elsewhere / "tap.json").write_text(
        json.dumps({"storage_url": str(ROOT / "sample_bucket"), "settle_seconds": 0})
    )
    (elsewhere / "target.json").write_text('{"dry_run": true}')
    run(
        *("bash", "-o", "pipefail", "-c"),
        f"{commands}/tap-braze-currents --config tap.json"
        f" | {commands}/target-mixpanel --config target.json",
        cwd=elsewhere,
    )
    (events,) = (elsewhere / "dry_run").glob("*.jsonl")
    assert len(events.read_text().splitlines()) > 1000
    (elsewhere / "cohorts.json").write_text(
        '{"dry_run": true, "instance": "US-01", "delivery": "attribute"}'
    )
    members = [
        {"type": "SCHEMA", "stream": "cohorts", "schema": {"properties": {}}, "key_properties": []},
        {"type": "RECORD", "stream": "cohorts", "record": {"id": 1, "name": "A", "count": 1}},
        {
            "type": "SCHEMA",
            "stream": "cohort_members",
            "schema": {"properties": {}},
            "key_properties": [],
        },
        {
            "type": "RECORD",
            "stream": "cohort_members",
            "record": {"cohort_id": 1, "distinct_id": "u1"},
        },
    ]
    run(
        *(commands / "target-braze-cohorts", "--config", "cohorts.json"),
        input="".join(f"{json.dumps(message)}\n" for message in members),
        cwd=elsewhere,
    )


def test_the_wheel_holds_its_data_files_and_its_licence(wheel):
    listed = run(sys.executable, "-m", "zipfile", "--list", wheel)
    for name in ("event_types.json", "event_mapping.json", "licenses/LICENSE", "py.typed"):
        assert name in listed
    assert "tests/" not in listed
