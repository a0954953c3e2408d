"""examples/dagster: both jobs, executed by a real Dagster with `execute_in_process`."""

from __future__ import annotations

import json
import os
import shutil
import subprocess

import pytest

from tests.examples.orchestrators import install, project_with_parts, settings
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.xdist_group("dagster"),
    pytest.mark.skipif(
        not os.environ.get("ORCHESTRATORS"), reason="takes minutes: set ORCHESTRATORS=1"
    ),
]

EXECUTE = """
import json, sys
import dagster as dg
import definitions as d

job = d.defs.resolve_job_def(sys.argv[1])
key = dg.MultiPartitionKey(json.loads(sys.argv[2])) if len(sys.argv) > 2 else None
result = job.execute_in_process(partition_key=key, raise_on_error=False)
retried = any(event.is_step_up_for_retry for event in result.all_events)
print(json.dumps({"success": result.success, "retried": retried}))
"""


class Dagster:
    """A code location with the example in it."""

    def __init__(self, bin_, folder) -> None:
        self.bin, self.folder = bin_, folder / "location"
        self.folder.mkdir()
        for name in ("dagster/definitions.py", "meltano_run.py", "backfill/parts.py"):
            shutil.copy(ROOT / "examples" / name, self.folder)

    def execute(self, job: str, *partition: str, environment) -> dict[str, bool]:
        result = subprocess.run(
            [self.bin / "python", "-c", EXECUTE, job, *partition],
            cwd=self.folder,
            env={**environment, "PYTHONPATH": str(self.folder), "DAGSTER_DISABLE_TELEMETRY": "1"},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        assert result.returncode == 0, result.stderr[-4000:]
        found: dict[str, bool] = json.loads(result.stdout.splitlines()[-1])
        return found


@pytest.fixture(scope="module")
def dagster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dagster")
    return Dagster(install("dagster", folder), folder)


def test_the_regular_job_and_the_partitions_deliver_the_same_events(dagster, tmp_path):
    with FakeMixpanel() as mixpanel:
        project = project_with_parts(tmp_path / "project", mixpanel)
        parts = subprocess.run(
            [dagster.bin / "python", dagster.folder / "parts.py", "2026-11-01", "2026-11-03"],
            check=True,
            capture_output=True,
            text=True,
        )
        (project.folder / "parts.meltano.yml").write_text(parts.stdout, "utf-8")
        environment = settings(project)
        assert dagster.execute("currents_to_mixpanel", environment=environment)["success"]
        held = mixpanel.count
        assert held > 1000
        before = mixpanel.accepted
        for day in ("2026-11-01", "2026-11-02"):
            partition = json.dumps({"day": day, "group": "behaviors"})
            ended = dagster.execute("currents_backfill", partition, environment=environment)
            assert ended["success"]
        assert mixpanel.accepted > before
        assert mixpanel.count == held


def test_wrong_settings_fail_without_a_retry(dagster, tmp_path):
    with FakeMixpanel() as mixpanel:
        project = project_with_parts(tmp_path / "project", mixpanel)
        (project.folder / "parts.meltano.yml").write_text("plugins: {}\n")
        wrong = {**settings(project), "TARGET_MIXPANEL_SERVICE_ACCOUNT_PASSWORD": "no"}
        ended = dagster.execute("currents_to_mixpanel", environment=wrong)
    assert ended == {"success": False, "retried": False}


def test_an_unavailable_service_allows_retries(dagster, tmp_path):
    class Nobody:
        url = "http://127.0.0.1:9"

    project = project_with_parts(tmp_path / "project", Nobody)
    (project.folder / "parts.meltano.yml").write_text("plugins: {}\n")
    script = (
        "import definitions as d\n"
        "try:\n    d.run('tap-braze-currents')\n"
        "except d.dg.Failure as failure: print(failure.allow_retries)\n"
    )
    result = subprocess.run(
        [dagster.bin / "python", "-c", script],
        cwd=dagster.folder,
        env={**settings(project), "TARGET_MIXPANEL_RETRY_SECONDS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.stdout.strip() == "True", result.stderr[-2000:]
