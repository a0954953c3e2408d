"""Reads the Dockerfile, so that a test runs the same steps without a container daemon."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tools.definitions import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@dataclass
class Stage:
    """The instructions of one stage."""

    runs: list[str] = field(default_factory=list)
    copies: list[list[str]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    user: str = "0"
    entrypoint: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)


def read_stages() -> list[Stage]:  # noqa: C901 - a case for each instruction
    """Parse the stages, with the defaults of their arguments filled in."""
    text = re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text("utf-8"))
    stages: list[Stage] = []
    arguments: dict[str, str] = {}
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        word, rest = line.split(" ", 1)
        for name, value in arguments.items():
            rest = rest.replace(f"${{{name}}}", value)
        match word:
            case "ARG":
                arguments.update([rest.split("=", 1)])
            case "FROM":
                stages.append(Stage())
            case "RUN":
                stages[-1].runs.append(rest)
            case "COPY":
                stages[-1].copies.append(rest.split())
            case "ENV":
                stages[-1].environment.update(part.split("=", 1) for part in rest.split())
            case "USER":
                stages[-1].user = rest
            case "ENTRYPOINT":
                stages[-1].entrypoint = json.loads(rest)
            case "CMD":
                stages[-1].command = json.loads(rest)
            case _:
                assert word in {"WORKDIR", "VOLUME"}, f"unknown instruction {word}"
    return stages


def copy_context(folder: Path) -> None:
    """Copy what .dockerignore lets into the build."""
    rules = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert rules[0] == "*"
    for rule in rules:
        source = ROOT / rule.removeprefix("!")
        if not rule.startswith("!") or not source.exists():
            continue
        place = folder / rule.removeprefix("!")
        place.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, place, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, place)
