"""examples/meltano_run.py: the exit code of a plugin, which Meltano turns into 1."""

from __future__ import annotations

import importlib.util
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.end_to_end.project import BIN, Project
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT

SCRIPT = ROOT / "examples" / "meltano_run.py"
PIPELINE = ("tap-braze-currents", "target-mixpanel")


def load():
    spec = importlib.util.spec_from_file_location("meltano_run", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


exit_code = load().exit_code


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ({"loaders": 78}, 78),
        ({"loaders": 65}, 65),
        ({"extractors": 75}, 75),
        ({"extractors": 75, "loaders": 65}, 75),  # the target failed because the tap did
        ({"extractors": 65, "loaders": 78}, 78),
        ({"loaders": -9}, 137),
        ({"loaders": 143}, 143),
        ({}, 1),
    ],
)
def test_the_code_is_that_of_the_plugin_that_failed_first(codes, expected):
    assert exit_code([{"event": "Block run completed", "exit_codes": codes}], 1) == expected


def test_a_run_that_succeeds_is_0():
    assert exit_code([], 0) == 0


def test_a_run_that_another_one_blocks_is_retried_later():
    event = "Another 'dev:a-to-b' pipeline is already running which started at 2026-11-01."
    assert exit_code([{"event": event}], 1) == 75


class Server:
    def __init__(self, url: str) -> None:
        self.url = url


def start(project: Project, *options: str, **settings: str) -> subprocess.Popen[str]:
    environment = project.environment(**settings)
    return subprocess.Popen(
        [sys.executable, SCRIPT, *options, *PIPELINE],
        cwd=project.folder,
        env={**environment, "PATH": f"{BIN}:{environment['PATH']}"},
        stdout=subprocess.PIPE if options else None,
        stderr=subprocess.PIPE,
        text=True,
    )


def end(process: subprocess.Popen[str]) -> tuple[int, str]:
    _, log = process.communicate(timeout=240)
    return process.returncode, log


@pytest.fixture
def project(tmp_path):
    made = Project.make(tmp_path / "project", Server("http://127.0.0.1:9"))
    (made.folder / "sample_bucket").symlink_to(ROOT / "sample_bucket")
    return made


@pytest.mark.slow
def test_real_runs_end_with_the_codes_of_the_plugins(project):
    """A run that succeeds, and one without a bucket, are in the test of `--summary`."""
    with FakeMixpanel() as mixpanel:
        good = {"TARGET_MIXPANEL_API_URL": mixpanel.url}
        wrong = {**good, "TARGET_MIXPANEL_SERVICE_ACCOUNT_PASSWORD": "no"}
        code, log = end(start(project, **wrong))
        assert (code, '"exit_codes"' in log) == (78, True)
    unreachable = {"TARGET_MIXPANEL_RETRY_SECONDS": "1"}
    assert end(start(project, **unreachable))[0] == 75


@pytest.mark.slow
def test_after_a_hard_kill_meltano_refuses_the_next_run_and_force_allows_it(project):
    held = FakeMixpanel(policy=lambda _: time.sleep(0.2))
    with held as mixpanel:
        settings = {"TARGET_MIXPANEL_API_URL": mixpanel.url, "TARGET_MIXPANEL_BATCH_SIZE": "1"}
        process = start(project, **settings)
        while not mixpanel.requests:
            time.sleep(0.05)
            assert process.poll() is None
        kill_tree(process.pid)
        process.communicate(timeout=60)
        code, log = end(start(project, **settings))
        assert code == 75
        assert "already running" in log
        forced = project.meltano("run", "--force", *PIPELINE, **settings)
        assert forced.returncode == 0, forced.stderr[-2000:]
        assert mixpanel.count > 1000


def kill_tree(pid: int) -> None:
    """End a process and its children as the kernel does when memory runs out."""
    import psutil  # noqa: PLC0415 - only here

    parent = psutil.Process(pid)
    for process in [*parent.children(recursive=True), parent]:
        process.send_signal(signal.SIGKILL)


@pytest.mark.slow
def test_sigterm_reaches_the_plugins_and_ends_the_run_in_order(project):
    with FakeMixpanel(policy=lambda _: time.sleep(0.2)) as mixpanel:
        settings = {"TARGET_MIXPANEL_API_URL": mixpanel.url, "TARGET_MIXPANEL_BATCH_SIZE": "1"}
        process = start(project, **settings)
        while not mixpanel.requests:
            time.sleep(0.05)
            assert process.poll() is None
        process.terminate()
        code, _ = end(process)
    assert code != 0
    assert Path(project.folder / ".meltano").exists()


def summary_of(process: subprocess.Popen[str]) -> dict[str, Any]:
    """The one line on standard output."""
    output, _ = process.communicate(timeout=240)
    (line,) = output.splitlines()
    found: dict[str, Any] = json.loads(line)
    assert found["exit_code"] == process.returncode
    return found


@pytest.mark.slow
def test_the_summary_of_each_plugin_is_one_line_for_the_orchestrator(project):
    with FakeMixpanel() as mixpanel:
        good = {"TARGET_MIXPANEL_API_URL": mixpanel.url}
        done = summary_of(start(project, "--summary", **good))
        wrong = {**good, "TARGET_MIXPANEL_SERVICE_ACCOUNT_PASSWORD": "no"}
        failed = summary_of(start(project, "--summary", **wrong))
    assert (done["exit_code"], done["cause"]) == (0, None)
    read, sent = (done["summaries"][name]["counts"] for name in PIPELINE)
    assert read["records"] == sent["read"] > 1000
    assert sent["imported"] == mixpanel.accepted
    assert failed["exit_code"] == 78
    assert failed["cause"] == failed["summaries"]["target-mixpanel"]["cause"]
    assert "credentials" in failed["cause"]
    missing = start(project, "--summary", TAP_BRAZE_CURRENTS_STORAGE_URL="/missing")
    ended = summary_of(missing)
    assert ended["exit_code"] == 78
    assert "/missing" in ended["cause"]
