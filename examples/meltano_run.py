#!/usr/bin/env python3
"""Runs `meltano run` and ends with the plugin's exit code instead of Meltano's 1.

    meltano_run.py tap-braze-currents target-mixpanel

An orchestrator retries 75 and 143, and pages somebody for 65 and 78. Meltano writes the codes of
the plugins into its JSON log, so this script reads that log and passes it on, line by line. The
environment comes from MELTANO_ENVIRONMENT. It needs Python alone, no package.

With `--summary` as its first argument, the script ends with one line of JSON on standard output:
`exit_code`, `cause`, and `summaries`, which holds the summary of each plugin by its name.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

SETTINGS, TEMPORARY = 78, 75
ALREADY_RUNNING = "already running"
"""Meltano's words for a run that another one blocks, or one that was killed up to 5 minutes ago."""


def exit_code(lines: list[dict[str, object]], meltano_code: int) -> int:
    """Choose the code to end with.

    Args:
        lines: Meltano's log, one dictionary for each JSON line.
        meltano_code: Meltano's own code.

    Returns:
        0 if Meltano succeeded. Otherwise 78 if a plugin ended with it, else the tap's code, else
        the target's: a target that gets no input fails because the tap did. A plugin that a signal
        ended has 128 and the signal's number. Meltano's own code if no plugin failed.
    """
    if meltano_code == 0:
        return 0
    for line in reversed(lines):
        found = line.get("exit_codes")
        codes = found if isinstance(found, dict) else {}
        ordered = [codes[kind] for kind in ("extractors", "loaders") if codes.get(kind)]
        if ordered:
            code = SETTINGS if SETTINGS in ordered else ordered[0]
            return 128 - code if code < 0 else code
    if any(ALREADY_RUNNING in str(line.get("event")) for line in lines):
        return TEMPORARY
    return 128 - meltano_code if meltano_code < 0 else meltano_code


def run(arguments: list[str], **variables: str) -> int:
    """Run Meltano and return the exit code.

    Args:
        arguments: Those of `meltano run`.
        variables: Added to the environment.
    """
    command = ["meltano", "--log-format", "json", "run", *arguments]
    lines = []
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command,
        stdout=sys.stderr if variables else None,
        stderr=pipe,
        # A logging.yaml of the project would decide the format of the lines that are read here.
        env={**os.environ, "MELTANO_CLI_LOG_CONFIG": "", **variables},
        text=True,
        errors="replace",
    ) as process:
        # A container's first process gets the signal alone; Meltano passes it on to the plugins.
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda received, _: process.send_signal(received))
        for text in process.stderr or ():
            sys.stderr.write(text)
            if '"exit_codes"' in text or ALREADY_RUNNING in text:
                try:
                    lines.append(json.loads(text))
                except ValueError:
                    lines.append({"event": text})
    return exit_code(lines, process.returncode)


def run_with_summary(arguments: list[str]) -> int:
    """Run Meltano, print the summary line, and return the exit code."""
    plugins = [name for name in arguments if not name.startswith("-")]
    with tempfile.TemporaryDirectory() as folder:
        files = {name: Path(folder) / f"{name}.json" for name in plugins}
        variables = {
            re.sub(r"\W", "_", f"{name}_SUMMARY_PATH".upper()): str(file)
            for name, file in files.items()
        }
        code = run(arguments, **variables)
        summaries = {
            name: json.loads(file.read_text("utf-8"))
            for name, file in files.items()
            if file.exists()
        }
    # The tap comes before the target, which fails because the tap did. Wrong settings come first.
    causes = {found["exit_code"]: found["cause"] for found in reversed(summaries.values())}
    cause = causes.get(code) or next((text for text in causes.values() if text), None)
    line = {"exit_code": code, "cause": cause if code else None, "summaries": summaries}
    sys.stdout.write(json.dumps(line) + "\n")
    return code


def main(arguments: list[str]) -> int:
    """Run Meltano and return the exit code."""
    if arguments[:1] == ["--summary"]:
        return run_with_summary(arguments[1:])
    return run(arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
