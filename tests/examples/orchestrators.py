"""Orchestrators from PyPI, each in a throwaway environment of its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import yaml

from tests.end_to_end.project import BIN, Project
from tools.definitions import ROOT

if TYPE_CHECKING:
    from pathlib import Path

PINS = {"airflow": "apache-airflow==3.3.2", "dagster": "dagster==1.13.29"}


def install(name: str, folder: Path) -> Path:
    """Make an environment that holds an orchestrator; gives its folder bin."""
    uv = BIN / "uv"  # a dependency of Meltano
    environment = folder / name
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, environment],
        ["pip", "install", "--quiet", "--python", environment, PINS[name]],
    ):
        subprocess.run([uv, *arguments], check=True, timeout=280)
    return environment / "bin"


def project_with_parts(folder: Path, server: Any) -> Project:
    """A project whose regular tap reads the sample, and which includes the parts of a backfill."""
    project = Project.make(folder, server)
    (project.folder / "sample_bucket").symlink_to(ROOT / "sample_bucket")
    path = project.folder / "meltano.yml"
    config = yaml.safe_load(path.read_text("utf-8"))
    config["include_paths"] = ["parts.meltano.yml"]
    path.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return project


def settings(project: Project) -> dict[str, str]:
    """The environment of a worker that runs this project."""
    environment = project.environment()
    return {
        **environment,
        "PATH": f"{BIN}:{environment['PATH']}",
        "MELTANO_PROJECT": str(project.folder),
    }
