"""A folder of reports: each run's page stays, and one page leads to them."""

from __future__ import annotations

import json
import stat
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING

from braze_mixpanel.report.kept import KeptReports
from braze_mixpanel.report.page import Page
from tests.braze_mixpanel.report.pages import EVIL, Reader, events
from tests.fakes.fake_braze import FakeBraze
from tests.target_braze_cohorts import harness as cohorts
from tests.target_mixpanel.harness import opens, run, schema

if TYPE_CHECKING:
    from pathlib import Path

BEGAN = datetime(2026, 11, 27, 9, tzinfo=timezone.utc)


def page_of(status: str = "Finished", failure: str = "", done: int = 5) -> Page:
    return Page("Events", [], status, failure, [], [], plugin="target-mixpanel", done=done)


def pages_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.html") if path.name != "index.html")


def test_both_targets_keep_their_reports_in_one_folder_with_one_page_about_all(
    mixpanel, tmp_path: Path
) -> None:
    folder = tmp_path / "reports"
    for number in range(2):
        (tmp_path / str(number)).mkdir()
        changes = {"report_path": f"{folder}/", "max_rejected_ratio": 1}
        run(events(), mixpanel, tmp_path / str(number), **changes)
    with FakeBraze() as braze:
        lists = cohorts.full({1: ["anna"]}, {1: EVIL})
        cohorts.run(braze, tmp_path, lists, report_path=str(folder)).ok()  # it is a folder now
    assert len(pages_in(folder)) == 3
    html = (folder / "index.html").read_text()
    index = Reader(html)
    assert set(index.links) == set(pages_in(folder))
    assert index.loads == []
    assert [row[1:5] for row in index.rows[1:]] == [
        ["target-braze-cohorts", "Finished", "1", "0"],
        ["target-mixpanel", "Finished", "5", "2"],
        ["target-mixpanel", "Finished", "5", "2"],
    ]
    for name in pages_in(folder):
        assert "index.html" in Reader((folder / name).read_text()).links
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in folder.iterdir())


def test_the_page_about_all_runs_shows_the_last_fifty_and_the_others_stay(tmp_path: Path) -> None:
    reports = KeptReports(str(tmp_path), None)
    for number in range(52):
        reports.add(page_of(done=number), BEGAN + timedelta(minutes=number), 1.0)
    rows = Reader((tmp_path / "index.html").read_text()).rows[1:]
    assert [row[3] for row in rows] == [str(number) for number in range(51, 1, -1)]
    assert len(pages_in(tmp_path)) == 52


def test_a_failed_run_shows_on_the_page_about_all_runs(tmp_path: Path) -> None:
    KeptReports(str(tmp_path), None).add(page_of("Failed", "401"), BEGAN, 1.0)
    text = " ".join(Reader((tmp_path / "index.html").read_text()).text.split())
    assert "Last: Failed" in text
    assert "The last run failed: its page says why." in text


def test_a_dry_run_does_not_look_like_a_run_on_the_page_about_all_runs(tmp_path: Path) -> None:
    reports = KeptReports(str(tmp_path), None)
    reports.add(page_of(), BEGAN, 1.0)
    assert "planned by a dry run" not in (tmp_path / "index.html").read_text()
    reports.add(replace(page_of(), is_dry_run=True), BEGAN + timedelta(minutes=1), 1.0)
    index = (tmp_path / "index.html").read_text()
    assert index.count('<i class="planned" style') == index.count('<i class="kept" style') == 1
    assert "planned by a dry run" in index
    assert "Finished, dry run" in index


def test_files_that_others_put_there_do_no_harm(tmp_path: Path) -> None:
    good = KeptReports(str(tmp_path), None)
    for number, content in enumerate(
        ["{", "[]", "{}", json.dumps({"page": "../../etc/passwd"}), json.dumps({"page": "x:y"})]
    ):
        (tmp_path / f"2026{number}.run.json").write_text(content)
    good.add(page_of(), BEGAN, 1.0)
    assert len(Reader((tmp_path / "index.html").read_text()).rows) == 2


def test_a_run_without_a_report_makes_no_folder(mixpanel, tmp_path: Path) -> None:
    assert run(schema() + opens(1), mixpanel, tmp_path).error is None
    assert not (tmp_path / "reports").exists()
