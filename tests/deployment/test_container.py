"""The steps of the Dockerfile, run without a container daemon.

The same commands run in a fresh folder with the system's Python: the build as root, the pipeline as
the image's user, without privileges, in a mount namespace where everything but /data is read-only.
Not tested here: the base image, and `docker build` itself.
"""

from __future__ import annotations

import re
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.deployment.dockerfile import copy_context, read_stages
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("container"), pytest.mark.timeout(600)]

SYSTEM_PYTHON = Path("/usr/bin/python3")  # one that every user may run
CREDENTIALS = {"TARGET_MIXPANEL_PROJECT_TOKEN": "project-token"}


def can_isolate() -> bool:
    """Whether this machine lets us make a mount namespace and change the user."""
    if not all(map(shutil.which, ("unshare", "setpriv"))) or not SYSTEM_PYTHON.exists():
        return False
    probe = ["unshare", "--mount", "setpriv", "--reuid", "10001", "--clear-groups", "true"]
    return subprocess.run(probe, capture_output=True, check=False).returncode == 0


class Image:
    """The files of the image below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.build, self.final = read_stages()

    def here(self, text: str) -> str:
        """Turn paths of the image into paths below the folder."""
        return re.sub(r"(?<![\w/.:])/(opt|src|data|project|usr/local)\b", rf"{self.root}/\1", text)

    def make(self) -> None:
        """Do what `docker build` would do."""
        for folder in ("opt", "src", "project", "usr/local/bin"):
            (self.root / folder).mkdir(parents=True)
        copy_context(self.root / "src")
        for command in self.build.runs:
            self._shell(command.replace("python -m venv", f"{SYSTEM_PYTHON} -m venv"), "src")
        assert ["--from=build", "/opt/venv", "/opt/venv"] in self.final.copies
        for copy in self.final.copies:
            if not copy[0].startswith("--"):
                source, place = copy
                place = self.here(place) if place.startswith("/") else self.root / "project"
                shutil.copy(self.root / "src" / source, place)
        for command in self.final.runs:
            # No user is added to this machine: its number is enough.
            self._shell(re.sub(r"^useradd .*? && ", "", command), "project")
        shutil.rmtree(self.root / "src")

    def _shell(self, command: str, folder: str) -> None:
        subprocess.run(
            ["sh", "-e", "-c", self.here(command)],
            check=True,
            cwd=self.root / folder,
            timeout=500,
        )

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Do what `docker run --read-only` would do, with the arguments instead of CMD."""
        command = [*self.final.entrypoint, *(arguments or self.final.command)]
        return subprocess.run(
            self._isolated(command),
            **self._surroundings(settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def start(self, *command: str, **settings: str) -> subprocess.Popen[bytes]:
        """Do what `docker run --detach` would do, with another entrypoint."""
        surroundings = self._surroundings(settings)
        return subprocess.Popen(
            self._isolated([*command]), stderr=subprocess.DEVNULL, **surroundings
        )

    def _surroundings(self, settings: dict[str, str]) -> dict[str, Any]:
        environment = {name: self.here(value) for name, value in self.final.environment.items()}
        environment["PATH"] = f"{self.root}/opt/venv/bin:/usr/bin:/bin"
        return {"cwd": self.root / "project", "env": {**environment, **settings}}

    def _isolated(self, command: list[str]) -> list[str]:
        script = (
            f"mount --rbind / / && mount --bind {self.root}/data {self.root}/data "
            "&& mount -o remount,bind,ro / && mount -t tmpfs tmpfs /dev/shm "
            f"&& exec setpriv --reuid {self.final.user} --regid {self.final.user} --clear-groups "
            "--no-new-privs --inh-caps=-all --bounding-set=-all "
            f"{shlex.join([self.here(word) for word in command])}"
        )
        return ["unshare", "--mount", "sh", "-c", script]


@pytest.fixture(scope="module")
def image():
    if not can_isolate():
        pytest.skip("needs root, unshare, setpriv and a system-wide Python")
    folder = Path(tempfile.mkdtemp(prefix="image-"))
    folder.chmod(0o755)  # another user runs what is in it
    shutil.copytree(ROOT / "sample_bucket", folder / "bucket")
    made = Image(folder)
    try:
        made.make()
        yield made
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def sample(image):
    return {
        "TAP_BRAZE_CURRENTS_STORAGE_URL": str(image.root / "bucket"),
        "TAP_BRAZE_CURRENTS_SETTLE_SECONDS": "0",
    }


def test_the_image_runs_as_a_user_without_rights_on_a_read_only_file_system(image, sample):
    with FakeMixpanel() as mixpanel:
        settings = {**sample, **CREDENTIALS, "TARGET_MIXPANEL_API_URL": mixpanel.url}
        first = image.run(**settings)
        assert first.returncode == 0, first.stderr[-3000:]
        delivered = mixpanel.accepted
        assert delivered > 1000
        again = image.run(**settings)
        assert again.returncode == 0, again.stderr[-3000:]
        assert mixpanel.accepted == delivered  # STATE is below /data and outlives the container


def test_the_read_only_file_system_of_the_test_is_one(image):
    image.final.entrypoint, kept = ["touch"], image.final.entrypoint
    try:
        assert image.run(str(image.root / "project" / "x")).returncode != 0
        assert image.run(str(image.root / "data" / "x")).returncode == 0
    finally:
        image.final.entrypoint = kept


def test_the_image_ends_with_the_exit_code_of_the_plugin(image, sample):
    assert image.run(**sample).returncode == 78  # no credentials


def test_the_image_holds_every_command_of_the_package(image):
    commands = image.root / "opt" / "venv" / "bin"
    text = (ROOT / "pyproject.toml").read_text("utf-8")
    scripts = re.findall(r'^([\w-]+) = "\w+[\w.]*:', text, re.MULTILINE)
    assert len(scripts) >= 3
    for script in scripts:
        result = subprocess.run([commands / script, "--help"], capture_output=True, check=False)
        assert result.returncode == 0, script


def test_the_image_holds_no_compiler_no_source_and_no_tests(image):
    names = {path.name for path in (image.root / "opt" / "venv" / "bin").iterdir()}
    assert not names & {"cc", "gcc", "make", "pytest", "ruff", "mypy"}
    assert not (image.root / "src").exists()
    assert not list((image.root / "opt").rglob("site-packages/tests/currents_generator"))


def test_the_inbox_of_the_compose_file_becomes_healthy_in_the_image(image):
    inbox = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]["inbox"]
    port = str(free_port())
    words = [*inbox["entrypoint"], *inbox["command"]]
    kind, *check = [word.replace(":8080/", f":{port}/") for word in inbox["healthcheck"]["test"]]
    assert kind == "CMD"
    process = image.start(
        *[port if word == "8080" else word for word in words],
        MIXPANEL_COHORT_INBOX_INBOX_DB=f"sqlite:///{image.root}/data/inbox.db",
        MIXPANEL_COHORT_INBOX_USERNAME="mixpanel",
        MIXPANEL_COHORT_INBOX_PASSWORD="a-password",
    )
    try:
        # As compose counts: so many checks with this interval, here without waiting for each.
        end = time.monotonic() + 60
        while not healthy(image, check) and time.monotonic() < end:
            assert process.poll() is None
            time.sleep(0.5)
        assert healthy(image, check)
        refused = requests.post(f"http://127.0.0.1:{port}/", json={}, timeout=10)
        assert refused.status_code == 401
    finally:
        process.terminate()
        ended = process.wait(30)
    assert ended == 0
    assert not healthy(image, check)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def healthy(image: Image, check: list[str]) -> bool:
    with image.start(*check) as probe:
        return probe.wait(30) == 0


def test_the_image_names_a_user_by_number_and_keeps_data_in_one_place():
    _, final = read_stages()
    assert int(final.user) > 0
    paths = [value for name, value in final.environment.items() if name.endswith(("_PATH", "_DB"))]
    assert len(paths) == 4
    assert all(value.removeprefix("sqlite:///").startswith("/data/") for value in paths)
