"""What the pages of real runs say, what they load, and whose they are."""

from __future__ import annotations

import re
import stat
import sys
from typing import TYPE_CHECKING

import pytest
from singer_sdk.exceptions import ConfigValidationError

from braze_mixpanel.report import page
from tests.braze_mixpanel.report.pages import EVIL, Reader, cohort_report, events, mixpanel_report
from tests.fakes import mixpanel_faults as faults
from tests.fakes.fake_braze import FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_braze_cohorts import harness as cohorts
from tests.target_mixpanel.harness import opens, run, schema

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(params=["mixpanel", "cohorts"])
def html(request, tmp_path) -> str:
    if request.param == "mixpanel":
        with FakeMixpanel() as server:
            return mixpanel_report(server, tmp_path)
    with FakeBraze() as braze:
        return cohort_report(braze, tmp_path)


def test_a_page_loads_nothing_and_runs_nothing(html: str) -> None:
    reader = Reader(html)
    assert reader.loads == []
    assert all(link.startswith("file:///") for link in reader.links)
    assert not {"script", "link", "img", "iframe", "object", "base", "form"} & set(reader.tags)
    assert not re.search(r"url\(|@import|\bon\w+=", html)
    assert "default-src 'none'" in html
    for address in re.findall(r"https?://[^\s\"'<]+", html):
        assert "www.w3.org" in address or "127.0.0.1" in address


def test_names_are_text_whatever_they_hold(html: str) -> None:
    assert EVIL not in html
    assert EVIL in Reader(html).text


def test_a_page_holds_counts_and_names_but_nobody(html: str) -> None:
    assert "@example.com" not in html
    assert not re.search(r"user-\d|event-\d|anna|bert|secret", html)


def test_a_page_of_events_says_what_became_of_every_record(mixpanel, tmp_path) -> None:
    reader = Reader(mixpanel_report(mixpanel, tmp_path))
    rows = {row[0]: row[1:] for row in reader.rows}
    assert rows["Email Open"] == ["7", "3", "2", "2"]
    assert rows["Email Click"] == ["1", "1", "0", "0"]
    assert rows["Total"] == ["9", "5", "2", "2"]
    why = [row for row in reader.rows if row[0] in {"skipped", "rejected"}]
    assert len(why) == 4
    assert all(row[2:] == ["1", "Email Open (1)"] for row in why)
    text = " ".join(reader.text.split())
    assert "Finished" in text
    assert "an hour a bar" in text
    assert str(next((tmp_path / "dead_letter").iterdir())) in text
    assert "Email Open 21 Sep 2026, 14:00-15:00 UTC 2 events" in text


def test_a_page_of_cohorts_says_the_plan_and_what_was_done(tmp_path) -> None:
    with FakeBraze() as braze:
        reader = Reader(cohort_report(braze, tmp_path))
    rows = {row[0]: row[1:] for row in reader.rows}
    assert rows[EVIL] == ["1", "11", "0", "10", "2", "1", "2", "1", "0", ""]
    assert rows["Lapsed"][5:9] == ["8", "0", "0", "0"]
    assert "max_removal_ratio" in rows["Lapsed"][9]
    assert "Failed" in reader.text


def test_a_dry_run_of_cohorts_shows_the_plan_only(tmp_path) -> None:
    path = tmp_path / "plan.html"
    lists = cohorts.full({1: ["a", "b"]})
    cohorts.run(None, tmp_path, lists, dry_run=True, report_path=str(path)).ok()
    reader = Reader(path.read_text())
    assert reader.rows[0][-2:] == ["To remove", "Note"]
    assert reader.rows[1][:3] == ["Cohort 1", "1", "2"]


def test_a_run_that_fails_has_its_page_too(tmp_path) -> None:
    with FakeMixpanel() as server:
        text = Reader(mixpanel_report(server, tmp_path, service_account_password="wrong-one")).text
    assert "Failed" in text
    assert "401 Invalid credentials" in text
    assert "wrong-one" not in text


def test_a_run_that_fails_in_the_middle_shows_how_far_it_came(tmp_path) -> None:
    with FakeMixpanel(policy=[None, faults.Answer(401)]) as server:
        text = " ".join(Reader(mixpanel_report(server, tmp_path)).text.split())
    assert "refuses the credentials" in text
    assert "Not settled5" in text


def test_an_error_nobody_foresaw_is_named_without_its_words(
    mixpanel, tmp_path, monkeypatch
) -> None:
    def fail(*_: object) -> None:
        raise ZeroDivisionError("user-7")

    monkeypatch.setattr("target_mixpanel.sinks.MixpanelSink.take_messages", fail)
    path = tmp_path / "run.html"
    with pytest.raises(ZeroDivisionError):
        run(events(), mixpanel, tmp_path, report_path=str(path))
    assert "Unexpected error, ZeroDivisionError" in path.read_text()
    assert "user-7" not in path.read_text()


def test_a_page_is_its_owners_alone_and_replaces_the_last_one(mixpanel, tmp_path) -> None:
    path = tmp_path / "reports" / "run.html"
    path.parent.mkdir()
    path.write_text("the last run")
    path.chmod(0o644)
    html = mixpanel_report(mixpanel, tmp_path)
    assert "the last run" not in html
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]


def test_no_report_no_libraries(mixpanel, tmp_path, monkeypatch) -> None:
    for module in page.NEEDED:
        monkeypatch.setitem(sys.modules, module, None)
    assert run(schema() + opens(1), mixpanel, tmp_path).error is None
    assert run(schema(), mixpanel, tmp_path).target.pipeline.timeline is None


def test_a_missing_library_is_reported_before_anything_is_read(
    mixpanel, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr(page, "find_spec", lambda _: None)
    with pytest.raises(ConfigValidationError) as caught:
        mixpanel_report(mixpanel, tmp_path)
    (line,) = caught.value.errors
    assert 'pip install "braze-mixpanel[report]"' in line
    assert "pip_url, and run meltano install" in line
    assert mixpanel.requests == []


@pytest.mark.parametrize("path", ["file/", "file/run.html"])
def test_a_path_that_cannot_be_is_reported_before_anything_is_read(
    tmp_path: Path, path: str
) -> None:
    (tmp_path / "file").write_text("")
    assert "report_path is wrong" in str(page.find_report_problem(f"{tmp_path}/{path}"))


def test_a_report_that_cannot_be_written_is_a_warning_of_a_run_that_was_good(
    mixpanel, tmp_path, monkeypatch, caplog
) -> None:
    def full_disk(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("tempfile.mkstemp", full_disk)
    path = str(tmp_path / "run.html")
    result = run(schema() + opens(2), mixpanel, tmp_path, report_path=path)
    assert result.error is None
    assert "No space left" in caplog.text
    assert mixpanel.count == 2
