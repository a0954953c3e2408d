"""Public plugins from PyPI, each in an environment of its own, as Meltano would install them."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BIN = Path(sys.executable).parent
PINS = {
    "target-jsonl": "target-jsonl==0.1.4",
    "target-duckdb": "target-duckdb==0.8.0",
    "tap-jsonl": "tap-jsonl==0.3.1",
    "tap-postgres": "meltanolabs-tap-postgres==0.10.0",
}
"""Command → what to install for it."""


def install(plugin: str, folder: Path) -> Path:
    """Make an environment for a public plugin; gives its command. No PyPI, no test: it fails."""
    environment = folder / plugin
    uv = BIN / "uv"  # comes with Meltano
    for arguments in (
        ["venv", "--quiet", "--python", sys.executable, environment],
        ["pip", "install", "--quiet", "--python", environment, PINS[plugin]],
    ):
        subprocess.run([uv, *arguments], check=True, timeout=200)
    return environment / "bin" / plugin


@dataclass
class Ended:
    """How a pipe of two commands ended."""

    tap_code: int
    target_code: int
    tap_log: str
    target_log: str
    states: list[dict[str, Any]]

    def ok(self) -> Ended:
        assert self.tap_code == 0, self.tap_log
        assert self.target_code == 0, self.target_log
        return self


def only(catalog: dict[str, Any], streams: tuple[str, ...]) -> dict[str, Any]:
    """Keep these streams of a catalog, selected."""
    kept = [entry for entry in catalog["streams"] if entry["tap_stream_id"] in streams]
    for entry in kept:
        for metadata in entry["metadata"]:
            metadata["metadata"]["selected"] = True
    return {**catalog, "streams": kept}


def pipe(
    tap: Path,
    tap_config: dict[str, Any],
    target: Path,
    config: dict[str, Any],
    folder: Path,
    streams: tuple[str, ...] = (),
) -> Ended:
    """Run `tap | target` in a folder, as a shell would; `streams` are selected, or all."""
    (folder / "tap.json").write_text(json.dumps(tap_config))
    (folder / "target.json").write_text(json.dumps(config))
    command = [tap, "--config", folder / "tap.json"]
    if streams:
        found = subprocess.run([*command, "--discover"], check=True, capture_output=True, text=True)
        (folder / "catalog.json").write_text(json.dumps(only(json.loads(found.stdout), streams)))
        command += ["--catalog", folder / "catalog.json"]
    with (
        (folder / "tap.log").open("w") as log,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, cwd=folder) as source,
    ):
        result = subprocess.run(
            [target, "--config", folder / "target.json"],
            stdin=source.stdout,
            capture_output=True,
            text=True,
            cwd=folder,
            timeout=120,
            check=False,
        )
        source.wait(60)
    return Ended(
        source.returncode,
        result.returncode,
        (folder / "tap.log").read_text(),
        result.stderr,
        [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")],
    )
