"""A log is read by people: a run says each thing once, and a run with nothing new says little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.project import ROOT, Project
from tests.fakes.fake_braze import DATA_IMPORT_KEY, PARTNER_API_KEY, FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.fakes.mixpanel_query_api import PASSWORD as ACCOUNT_SECRET
from tests.fakes.mixpanel_query_api import PROJECT, USERNAME, MixpanelQueryApi
from tests.tap_mixpanel_cohorts.harness import PASSWORD, USER, inbox

if TYPE_CHECKING:
    from pathlib import Path
    from subprocess import CompletedProcess

pytestmark = pytest.mark.slow
MOST_LINES_IDLE = 9
MOST_LINES_OF_SAMPLE = 149


@pytest.fixture
def project(tmp_path: Path):
    with FakeMixpanel() as server:
        made = Project.make(tmp_path / "project", server)
        (made.folder / "sample_bucket").symlink_to(ROOT / "sample_bucket")
        yield made


def lines_of(result: CompletedProcess[str]) -> list[str]:
    assert result.returncode == 0, result.stderr
    return (result.stdout + result.stderr).splitlines()


def test_make_run_logs_fewer_than_150_lines(project: Project) -> None:
    result = project.meltano(
        "run", "tap-braze-currents", "target-mixpanel", TARGET_MIXPANEL_DRY_RUN="true"
    )
    lines = lines_of(result)
    assert len(lines) <= MOST_LINES_OF_SAMPLE, result.stderr
    assert sum("Skipping parse" in line or "METRIC" in line for line in lines) == 0
    assert [line for line in lines if line.startswith("total ")], result.stderr


def test_a_run_with_nothing_new_logs_fewer_than_ten_lines(project: Project) -> None:
    run = ["--environment", "prod", "run", "tap-braze-currents", "target-mixpanel"]
    settings = {
        "TAP_BRAZE_CURRENTS_STORAGE_URL": "sample_bucket",
        "TAP_BRAZE_CURRENTS_SETTLE_SECONDS": "0",
    }
    assert len(lines_of(project.meltano(*run, **settings))) > MOST_LINES_IDLE
    sent = len(project.server.events())
    idle = lines_of(project.meltano(*run, **settings))
    assert len(idle) <= MOST_LINES_IDLE, "\n".join(idle)
    assert any("54 selected streams have nothing new" in line for line in idle)
    assert any("No record was read" in line for line in idle)
    assert len(project.server.events()) == sent > 500


COHORTS = {number: f"Cohort {number}" for number in range(1, 21)}


@pytest.fixture
def to_braze(tmp_path: Path):
    with FakeBraze() as server:
        yield Project.make(tmp_path / "project", server)


def run_to_braze(project: Project, extractor: str, **settings: str) -> list[str]:
    credentials = {
        "TARGET_BRAZE_COHORTS_REST_ENDPOINT": project.server.url,
        "TARGET_BRAZE_COHORTS_DATA_IMPORT_KEY": DATA_IMPORT_KEY,
        "TARGET_BRAZE_COHORTS_PARTNER_API_KEY": PARTNER_API_KEY,
    }
    run = ["--environment", "prod", "run", extractor, "target-braze-cohorts"]
    return lines_of(project.meltano(*run, **credentials, **settings))


def require_short(idle: list[str], cohorts: int) -> None:
    assert len(idle) <= MOST_LINES_IDLE, "\n".join(idle)
    assert any(f"{cohorts} cohorts are unchanged" in line for line in idle)


def test_a_run_with_unchanged_cohorts_of_the_query_api_logs_fewer_than_ten_lines(
    to_braze: Project,
) -> None:
    with MixpanelQueryApi() as mixpanel:
        for number, name in COHORTS.items():
            mixpanel.put(number, name, [f"user-{number}"])
        settings = {
            "TAP_MIXPANEL_COHORTS_API_URL": mixpanel.url,
            "TAP_MIXPANEL_COHORTS_SERVICE_ACCOUNT_USERNAME": USERNAME,
            "TAP_MIXPANEL_COHORTS_SERVICE_ACCOUNT_PASSWORD": ACCOUNT_SECRET,
            "TAP_MIXPANEL_COHORTS_PROJECT_ID": PROJECT,
        }
        first = run_to_braze(to_braze, "tap-mixpanel-cohorts", **settings)
        assert all(any(f" {name} " in line for line in first) for name in COHORTS.values())
        require_short(run_to_braze(to_braze, "tap-mixpanel-cohorts", **settings), len(COHORTS))


def test_a_run_with_nothing_new_in_the_inbox_logs_fewer_than_ten_lines(
    to_braze: Project, tmp_path: Path
) -> None:
    db = f"sqlite:///{tmp_path}/inbox.db"
    settings = {"TAP_MIXPANEL_COHORTS_INBOX_INBOX_DB": db}
    with inbox(db) as process:
        sync = CohortSync(process.url, auth=(USER, PASSWORD))
        for number, name in COHORTS.items():
            sync.cohort(number, name).people = {f"user-{number}": {}}
            assert sync.run(number)
        run_to_braze(to_braze, "tap-mixpanel-cohorts-inbox", **settings)
        idle = run_to_braze(to_braze, "tap-mixpanel-cohorts-inbox", **settings)
        require_short(idle, len(COHORTS))
