"""examples/airflow: both DAGs, executed by a real Airflow with `airflow dags test`."""

from __future__ import annotations

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
    pytest.mark.xdist_group("airflow"),
    pytest.mark.skipif(
        not os.environ.get("ORCHESTRATORS"), reason="takes minutes: set ORCHESTRATORS=1"
    ),
]


class Airflow:
    """An Airflow with a database and a folder of DAGs of its own."""

    def __init__(self, bin_, folder) -> None:
        self.bin, self.home = bin_, folder / "airflow"
        dags = self.home / "dags"
        dags.mkdir(parents=True)
        for name in ("airflow/braze_mixpanel_dag.py", "meltano_run.py", "backfill/parts.py"):
            shutil.copy(ROOT / "examples" / name, dags)

    def __call__(self, *arguments: str, environment) -> subprocess.CompletedProcess[str]:
        own = {
            "AIRFLOW_HOME": str(self.home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "false",
            "AIRFLOW__CORE__UNIT_TEST_MODE": "false",
            "NO_PROXY": "*",
        }
        return subprocess.run(
            [self.bin / "airflow", *arguments],
            env={**environment, **own},
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )


@pytest.fixture(scope="module")
def airflow(tmp_path_factory):
    folder = tmp_path_factory.mktemp("airflow")
    made = Airflow(install("airflow", folder), folder)
    migrated = made("db", "migrate", environment=dict(os.environ))
    assert migrated.returncode == 0, migrated.stderr[-3000:]
    return made


def test_the_dags_are_found_without_an_error(airflow):
    airflow("dags", "reserialize", environment=dict(os.environ))
    listed = airflow("dags", "list-import-errors", environment=dict(os.environ))
    assert "braze_mixpanel_dag" not in listed.stdout, listed.stdout
    dags = airflow("dags", "list", environment=dict(os.environ)).stdout
    assert "currents_to_mixpanel" in dags
    assert "currents_backfill" in dags


def test_the_regular_run_and_the_backfill_deliver_the_same_events(airflow, tmp_path):
    with FakeMixpanel() as mixpanel:
        project = project_with_parts(tmp_path / "project", mixpanel)
        (project.folder / "parts.meltano.yml").write_text("plugins: {}\n")
        regular = airflow("dags", "test", "currents_to_mixpanel", environment=settings(project))
        assert regular.returncode == 0, (regular.stdout + regular.stderr)[-4000:]
        held = mixpanel.count
        assert held > 1000
        days = '{"first_day": "2026-11-01", "end_day": "2026-11-03"}'
        arguments = ("dags", "test", "currents_backfill", "--conf", days)
        backfill = airflow(*arguments, environment=settings(project))
        log = backfill.stdout + backfill.stderr
        assert backfill.returncode == 0, log[-4000:]
        assert mixpanel.duplicates > 500  # the parts sent the native events again
        assert mixpanel.count == held


def test_wrong_settings_fail_at_once_and_an_unavailable_service_is_retried(airflow, tmp_path):
    with FakeMixpanel() as mixpanel:
        project = project_with_parts(tmp_path / "project", mixpanel)
        (project.folder / "parts.meltano.yml").write_text("plugins: {}\n")
        wrong = {**settings(project), "TARGET_MIXPANEL_SERVICE_ACCOUNT_PASSWORD": "no"}
        failed = airflow("dags", "test", "currents_to_mixpanel", environment=wrong)
    text = failed.stdout + failed.stderr
    assert "no retry will help" in text
    assert "state=failed" in text or failed.returncode != 0
    unavailable = {**settings(project), "TARGET_MIXPANEL_RETRY_SECONDS": "1"}
    script = (
        "import braze_mixpanel_dag as d\n"
        "try:\n    d.run('tap-braze-currents')\n"
        "except d.AirflowFailException: print('failed')\n"
        "except d.AirflowException: print('to be retried')\n"
    )
    result = subprocess.run(
        [airflow.bin / "python", "-c", script],
        env={
            **unavailable,
            "AIRFLOW_HOME": str(airflow.home),
            "PYTHONPATH": str(airflow.home / "dags"),
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert result.stdout.split("\n")[-2:-1] == ["to be retried"], result.stderr[-2000:]
