"""A new user, in their own Meltano project, with the wheel and the documented commands."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from tests.docs.blocks import block
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.packaging.wheels import interpreter, oldest_and_newest
from tools.definitions import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("wheel")]

DOCUMENT = "docs/own-project.md"
BIN = Path(sys.executable).parent
SAMPLE = {
    "TAP_BRAZE_CURRENTS_STORAGE_URL": str(ROOT / "sample_bucket"),
    "TAP_BRAZE_CURRENTS_SETTLE_SECONDS": "0",
}
RUN = ("run", "tap-braze-currents", "target-mixpanel")
WRONG = {
    "dry_run": "ture",
    "concurrency": "many",
    "batch_size": "2.5",
    "region": "mars",
    "max_rejected_ratio": "3",
    "min_event_time": "soon",
}


@dataclass
class Project:
    """A project made with `meltano init`."""

    folder: Path
    python: str

    def shell(self, script: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a documented block as a user would paste it."""
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELTANO", "TAP_", "TARGET_"))
        }
        fixed = {
            "PATH": f"{BIN}:{os.environ['PATH']}",
            "MELTANO_PYTHON": self.python,
            "MELTANO_SEND_ANONYMOUS_USAGE_STATS": "false",
            "MELTANO_CLI_DISABLE_VERSION_CHECK": "true",
            "UV_PYTHON_DOWNLOADS": "never",
        }
        return subprocess.run(
            ["bash", "-e", "-c", script],
            cwd=self.folder,
            env={**kept, **fixed, **settings},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )

    def meltano(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return self.shell(f"meltano {shlex.join(arguments)}", **settings)

    @property
    def text(self) -> str:
        return (self.folder / "meltano.yml").read_text("utf-8")

    def plugin(self, name: str) -> dict:
        plugins = yaml.safe_load(self.text)["plugins"]
        return next(
            entry
            for kind in ("extractors", "loaders")
            for entry in plugins[kind]
            if entry["name"] == name
        )


def ok(result: subprocess.CompletedProcess[str]) -> str:
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-4000:]
    return result.stdout + result.stderr


@pytest.fixture(scope="module", params=oldest_and_newest())
def project(request, wheel, tmp_path_factory):
    """The project after the documented commands, for the oldest and the newest Python here."""
    folder = tmp_path_factory.mktemp("own")
    made = Project(folder, interpreter(request.param) or "")
    ok(made.meltano("init", "project", "--no-usage-stats"))
    made.folder = folder / "project"
    source = block(DOCUMENT, "yaml", "BRAZE_MIXPANEL_SOURCE")
    source = re.sub(r"file:///\S+", wheel.as_uri(), source)
    (made.folder / "meltano.yml").write_text(made.text + source, "utf-8")
    with (made.folder / ".gitignore").open("a") as ignored:
        ignored.write("\n" + block(DOCUMENT, "gitignore", "dead_letter"))
    commands = block(DOCUMENT, "sh", "tap-braze-currents.yml")
    assert len(re.findall("^meltano ", commands, re.MULTILINE)) == 3
    ok(made.shell(commands.replace("../braze-mixpanel/hub", str(ROOT / "hub"))))
    return made


def dry_run_events(project: Project) -> list[Path]:
    return sorted((project.folder / "dry_run").glob("*.jsonl"))


def test_the_first_dry_run_reads_the_native_types_and_sends_nothing(project):
    commands = block(DOCUMENT, "sh", "TARGET_MIXPANEL_DRY_RUN=true")
    commands = commands.replace("s3://bucket/prefix", SAMPLE["TAP_BRAZE_CURRENTS_STORAGE_URL"])
    log = ok(project.shell(commands, TAP_BRAZE_CURRENTS_SETTLE_SECONDS="0"))
    (file,) = dry_run_events(project)[-1:]
    events = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert len(events) > 500
    assert not any(event["event"] == "Email Retry" for event in events)  # not a native type
    assert "METRIC" not in log
    assert len(project.plugin("tap-braze-currents")["select"]) == 54


def test_git_ignores_what_a_run_leaves_behind(project):
    ok(project.shell("git init --quiet ."))
    ok(project.meltano(*RUN, **SAMPLE, TARGET_MIXPANEL_DRY_RUN="true"))
    names = [f"dry_run/{dry_run_events(project)[-1].name}", ".env", "braze_cohorts.db"]
    names += ["dead_letter/x.jsonl", "report.html", "braze_cohorts.db-wal", ".meltano/meltano.db"]
    ignored = ok(project.shell(f"git check-ignore {' '.join(names)}"))
    assert ignored.split() == names


@pytest.mark.parametrize(("setting", "value"), WRONG.items())
def test_a_wrong_value_ends_the_run_with_one_line_that_names_the_setting(project, setting, value):
    before = project.text
    try:
        result = project.meltano("config", "set", "target-mixpanel", setting, value)
        refused_at_once = result.returncode != 0
        assert not refused_at_once or project.text == before, "Meltano has stored it"
        if not refused_at_once:
            result = project.meltano("invoke", "target-mixpanel", "--check", **SAMPLE)
    finally:
        (project.folder / "meltano.yml").write_text(before, "utf-8")
    assert value in result.stdout + result.stderr
    if not refused_at_once:
        assert result.returncode == 78
        assert f"Setting {setting} is wrong: '{value}'" in result.stderr
        assert "Traceback" not in result.stderr


def test_config_shows_groups_of_credentials_and_hides_secrets(project):
    secret = "a-secret-that-nobody-may-see"
    setting = ("target-mixpanel", "service_account_password", secret)
    ok(project.meltano("config", "set", "--store", "dotenv", *setting))
    assert secret in (project.folder / ".env").read_text("utf-8")
    assert secret not in project.text
    listed = ok(project.meltano("config", "list", "target-mixpanel"))
    assert secret not in listed
    assert "Group 1: project_id, service_account_password, service_account_username" in listed
    assert "dry_run (required" not in listed
    ok(project.meltano("config", "unset", "target-mixpanel", "service_account_password"))


def test_interactive_config_offers_labels_and_sets_a_value(project):
    before = project.text
    script = r"printf '6\neu\n\ne\n' | meltano config set --interactive target-mixpanel"
    shown = project.shell(script).stdout
    try:
        assert "region" in shown
        assert project.plugin("target-mixpanel")["config"] == {"region": "eu"}
    finally:
        (project.folder / "meltano.yml").write_text(before, "utf-8")


def test_select_lists_all_types_and_the_chosen_ones(project):
    listed = ok(project.meltano("select", "tap-braze-currents", "--list", "--all", **SAMPLE))
    streams = {"selected": set(), "excluded": set()}
    for state, stream in re.findall(r"\[(selected|excluded)\s*\] (\w+)\.id\b", listed):
        streams[state].add(stream)
    streams["selected"] |= set(re.findall(r"\[automatic\s*\] (\w+)\.id\b", listed))
    assert len(streams["selected"]) == 54
    assert len(streams["selected"] | streams["excluded"]) == 108


def test_a_job_a_schedule_and_the_state_work_as_documented(project):
    before = project.text
    with FakeMixpanel() as mixpanel:
        settings = {
            **SAMPLE,
            "TARGET_MIXPANEL_API_URL": mixpanel.url,
            "TARGET_MIXPANEL_PROJECT_TOKEN": "project-token",
        }
        try:
            task = ("--tasks", "tap-braze-currents target-mixpanel")
            ok(project.meltano("job", "add", "currents", *task))
            interval = ("--interval", "*/15 * * * *")
            name = "currents-every-15"
            ok(project.meltano("schedule", "add", name, "--job", "currents", *interval))
            ok(project.meltano("schedule", "run", name, **settings))
            first = mixpanel.accepted
            ok(project.meltano("schedule", "run", name, **settings))
            assert mixpanel.accepted == first > 500  # the second run found nothing new
            state = "dev:tap-braze-currents-to-target-mixpanel"
            assert state in ok(project.meltano("--environment", "dev", "state", "list"))
            bookmarks = project.meltano("--environment", "dev", "state", "get", state).stdout
            assert "sealed_hour" in bookmarks
        finally:
            (project.folder / "meltano.yml").write_text(before, "utf-8")


def test_the_cohort_plugins_are_added_with_the_documented_commands(project):
    before = project.text
    command = block(DOCUMENT, "sh", "target-braze-cohorts.yml")
    try:
        ok(project.shell(command.replace("$HUB", str(ROOT / "hub"))))
        plugins = ("tap-mixpanel-cohorts", "target-braze-cohorts")
        versions = [ok(project.meltano("invoke", plugin, "--version")) for plugin in plugins]
    finally:
        (project.folder / "meltano.yml").write_text(before, "utf-8")
    for plugin, version in zip(plugins, versions, strict=True):
        assert plugin in version
