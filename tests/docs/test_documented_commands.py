"""Every command in the README and docs/ is run by a test, or listed here with the reason."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.docs.blocks import blocks
from tests.end_to_end.project import BIN, Project
from tests.fakes.fake_braze import API_KEY, FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.fakes.mixpanel_query_api import MixpanelQueryApi
from tools.definitions import ROOT

if TYPE_CHECKING:
    from pathlib import Path

DOCUMENTS = [
    "README.md",
    "CONTRIBUTING.md",
    *sorted(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")),
]
HERE = [
    r"meltano --environment prod (invoke|run|select) tap-braze-currents.*",
    r"meltano --environment prod invoke tap-mixpanel-cohorts --test",
    r"TARGET_MIXPANEL_DRY_RUN=true meltano --environment prod run .*",
    r"meltano --environment prod invoke target-(mixpanel|braze-cohorts) --check",
    r"cat dead_letter/target-mixpanel-….jsonl \| meltano .*",
    r"touch state.jsonl",
    r"tail -n 1 state.jsonl > state.json",
    r"if \[ -s state.json \].*",
    r"tap-braze-currents --config tap.json \$state \| target-mixpanel .*",
]
"""Run by the tests of this module."""
ELSEWHERE = {
    r"meltano (add|config set) .*": "tests/packaging/test_own_project.py",
    r"meltano run tap-braze-currents target-mixpanel": "tests/packaging/test_own_project.py",
    r"HUB=.*": "tests/packaging/test_own_project.py",
    r"meltano run (tap-braze-currents--(opens|warehouse)|tap-jsonl|tap-postgres) .*": (
        "tests/composing/test_meltano_entries.py"
    ),
    r"tap-braze-currents --config tap.json \| target-(jsonl|duckdb) .*": (
        "tests/composing/test_with_public_plugins.py"
    ),
    r"\.venv/bin/python -m tests\.fakes": "tests/fakes/test_main.py",
    r"meltano run tap-mixpanel-cohorts target-braze-cohorts": (
        "tests/end_to_end/test_mixpanel_cohorts_to_braze.py"
    ),
    r"python -m braze_mixpanel\.files s3://.* \| meltano .*": (
        "tests/braze_mixpanel/files/test_printing.py"
    ),
    r"python examples/backfill/parts.py .*": "tests/examples/test_backfill.py",
    r"meltano run tap-braze-currents--2026-11-01-email .*": "tests/examples/test_backfill.py",
    r"(TARGET_\w+=(\w+|'[^']+') )?meltano --environment prod run tap-mixpanel-cohorts.*": (
        "tests/end_to_end/test_mixpanel_cohorts_to_braze.py"
    ),
    r"(TARGET_\w+=(\w+|'[^']+') )?meltano --environment prod run tap-mixpanel target-.*": (
        "tests/end_to_end/test_cohorts_to_braze.py"
    ),
}
"""Command → the test that runs it, or the same pipeline."""
NOT_RUN = {
    r"make (run|test|unit|lint|format|audit|test-matrix)": "CI runs them, or they change files",
    r"(ORCHESTRATORS=1 )?\.venv/bin/python -m pytest .*": "they run tests",
    r"pip install 'meltano\[\w+\]'": "installs what the tests have installed already",
    r"docker .*": "needs a daemon; tests/deployment/test_container.py runs the same steps",
    r"meltano --environment prod config set tap-braze-currents _select .*": (
        "changes meltano.yml; tests/packaging runs the same command with the older list"
    ),
    r"meltano install extractor tap-mixpanel": "tests/end_to_end installs it as a run does",
    r"meltano --environment prod select tap-mixpanel .*": "asks Mixpanel's own servers",
}
"""Command → why no test runs it."""


def commands() -> list[str]:
    """All lines of sh blocks that are commands, without comments and settings."""
    lines = [
        line for name in DOCUMENTS for text in blocks(name, "sh") for line in text.splitlines()
    ]
    bare = [re.sub(r"\s+#.*$", "", line).strip() for line in lines]
    return [line for line in bare if line and not line.startswith("export ")]


def test_every_command_is_run_or_has_a_reason():
    known = [*HERE, *ELSEWHERE, *NOT_RUN]
    unknown = [line for line in commands() if not any(re.fullmatch(k, line) for k in known)]
    assert unknown == []


def test_no_entry_here_is_left_over():
    lines = commands()
    unused = [
        pattern
        for pattern in (*HERE, *ELSEWHERE, *NOT_RUN)
        if not any(re.fullmatch(pattern, line) for line in lines)
    ]
    assert unused == []


def test_every_test_that_is_named_here_exists():
    for path in ELSEWHERE.values():
        assert (ROOT / path).exists()


def shell(script: str, folder: Path, environment) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={**environment, "PATH": f"{BIN}:{environment['PATH']}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


@pytest.mark.slow
def test_the_commands_of_the_readme_run_in_prod_against_the_fakes(tmp_path):
    wanted = [line for line in commands() if "--environment prod" in line]
    wanted = [line for line in wanted if any(re.fullmatch(known, line) for known in HERE)]
    assert len(wanted) >= 8
    with FakeMixpanel() as mixpanel, MixpanelQueryApi() as queries, FakeBraze() as braze:
        queries.put(1001, "VIP", ["u1", "u2"])
        account = {
            f"TAP_MIXPANEL_COHORTS_{name.upper()}": value for name, value in queries.account.items()
        }
        project = Project.make(tmp_path / "project", mixpanel)
        environment = project.environment(
            TAP_BRAZE_CURRENTS_STORAGE_URL=str(ROOT / "sample_bucket"),
            TAP_BRAZE_CURRENTS_SETTLE_SECONDS="0",
            TAP_MIXPANEL_COHORTS_API_URL=queries.url,
            **account,
            TARGET_BRAZE_COHORTS_REST_ENDPOINT=braze.url,
            TARGET_BRAZE_COHORTS_DELIVERY="attribute",
            TARGET_BRAZE_COHORTS_API_KEY=API_KEY,
        )
        for command in wanted:
            if command.startswith("cat dead_letter"):
                continue  # needs a rejected event: the next test
            result = shell(command, project.folder, environment)
            assert result.returncode == 0, f"{command}\n{result.stderr[-2000:]}"
            if command.endswith("tap-braze-currents --test"):
                assert "54 of 54 selected streams have files" in result.stdout + result.stderr
        assert mixpanel.count > 1000
        assert queries.asked
        assert len(list((project.folder / "dry_run").glob("*.jsonl"))) == 1


@pytest.mark.slow
def test_a_dead_letter_is_sent_again_with_the_documented_command(tmp_path):
    (command,) = [line for line in commands() if line.startswith("cat dead_letter")]
    schema = {"type": "SCHEMA", "stream": "s", "schema": {"properties": {}}, "key_properties": []}
    letter = {"type": "RECORD", "stream": "s", "record": {"who": "u1", "at": 1793527200, "n": "1"}}

    streams = {"s": {"event": "E", "distinct_id": "who", "time": "at", "insert_id": "n"}}
    with FakeMixpanel() as mixpanel:
        project = Project.make(tmp_path / "project", mixpanel)
        (project.folder / "dead_letter").mkdir()
        lines = "".join(f"{json.dumps(message)}\n" for message in (schema, letter))
        (project.folder / "dead_letter" / "target-mixpanel-1.jsonl").write_text(lines)
        environment = project.environment(TARGET_MIXPANEL_STREAMS=json.dumps(streams))
        result = shell(command.replace("…", "1"), project.folder, environment)
        assert result.returncode == 0, result.stderr[-2000:]
        assert mixpanel.count == 1


@pytest.mark.slow
def test_state_without_meltano_is_kept_as_documented(tmp_path):
    (script,) = [text for text in blocks("docs/composing.md", "sh") if "state.jsonl" in text]

    with FakeMixpanel() as mixpanel:
        tap = {"storage_url": str(ROOT / "sample_bucket"), "settle_seconds": 0}
        target = {"api_url": mixpanel.url, "project_token": "project-token"}
        (tmp_path / "tap.json").write_text(json.dumps(tap))
        (tmp_path / "target.json").write_text(json.dumps(target))
        environment = Project(tmp_path, mixpanel).environment()
        accepted = []
        for _ in range(2):
            result = shell(script, tmp_path, environment)
            assert result.returncode == 0, result.stderr[-2000:]
            accepted.append(mixpanel.accepted)
    assert accepted[0] == accepted[1] > 1000
