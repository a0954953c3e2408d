"""The report of `meltano run` with the settings of this repository's meltano.yml."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from braze_mixpanel.singer.bucket_read import BUCKET_READ
from tests.braze_mixpanel.report.pages import Reader
from tests.end_to_end.project import ROOT, Project
from tests.fakes.fake_mixpanel import FakeMixpanel

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow
PIPELINE = ["tap-braze-currents", "target-mixpanel"]


def test_the_report_names_bucket_files_hours_and_types_and_the_saved_state_does_not(
    tmp_path: Path,
) -> None:
    with FakeMixpanel() as server:
        project = Project.make(tmp_path / "project", server)
        bucket = project.folder / "sample_bucket"
        bucket.symlink_to(ROOT / "sample_bucket")
        settings = {
            "TAP_BRAZE_CURRENTS_STORAGE_URL": "sample_bucket",
            "TAP_BRAZE_CURRENTS_SETTLE_SECONDS": "0",
            "TARGET_MIXPANEL_REPORT_PATH": "run.html",
        }
        run = project.meltano("--environment", "prod", "run", *PIPELINE, **settings)
        assert run.returncode == 0, run.stderr
        name = f"prod:{'-to-'.join(PIPELINE)}"
        state = project.meltano("--environment", "prod", "state", "get", name).stdout
    page = Reader((project.folder / "run.html").read_text())
    text = " ".join(page.text.split())
    assert bucket.as_uri() in page.links
    assert "Files94 Hours01 Nov 2026, 09:00 to 02 Nov 2026, 13:00 UTC" in text
    assert "54 in the bucket and not selected" in text
    assert json.loads(state.strip().splitlines()[-1])["singer_state"]["bookmarks"]
    assert BUCKET_READ not in state
