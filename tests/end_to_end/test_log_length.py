"""A log is read by people: a run says each thing once, and a run with nothing new says little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.project import ROOT, Project
from tests.fakes.fake_mixpanel import FakeMixpanel

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
