"""The pages as a browser shows them; their pictures lie in `artifacts/` afterwards."""

from __future__ import annotations

import os
import shutil
import subprocess
from html import escape
from pathlib import Path

import pytest

from tests.braze_mixpanel.report.pages import EVIL, cohort_report, events, mixpanel_report
from tests.fakes.fake_braze import FakeBraze
from tests.target_mixpanel.harness import run

ARTIFACTS = Path(__file__).parents[3] / "artifacts"
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BROWSER = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
QUIET = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-sync",
    "--disable-background-networking",
    "--disable-component-update",
    "--hide-scrollbars",
)

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        BROWSER is None,
        reason=f"no browser: none of {', '.join(NAMES)} is installed, CHROMIUM is not set",
    ),
]


def browse(page: Path, *arguments: str) -> str:
    profile = page.with_suffix(".profile")
    done = subprocess.run(
        [str(BROWSER), *QUIET, f"--user-data-dir={profile}", *arguments, page.as_uri()],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    return done.stdout


def picture(page: Path, name: str, *arguments: str) -> None:
    ARTIFACTS.mkdir(exist_ok=True)
    path = ARTIFACTS / f"{name}.png"
    browse(page, f"--screenshot={path}", "--window-size=1366,1100", *arguments)
    assert path.read_bytes().startswith(b"\x89PNG")


def test_the_page_of_events_shows_its_chart_and_its_tables(mixpanel, tmp_path) -> None:
    page = tmp_path / "page.html"
    page.write_text(mixpanel_report(mixpanel, tmp_path))
    shown = browse(page, "--dump-dom")
    assert shown.count('aria-roledescription="bar"') == 4
    assert shown.count("<tr>") == 10
    assert EVIL not in shown
    assert "<script" not in shown
    picture(page, "events_light")
    picture(page, "events_dark", "--blink-settings=preferredColorScheme=0")


def test_the_page_of_cohorts_shows_its_table(tmp_path) -> None:
    page = tmp_path / "page.html"
    with FakeBraze() as braze:
        page.write_text(cohort_report(braze, tmp_path))
    shown = browse(page, "--dump-dom")
    assert shown.count("<tr>") == 4
    assert "Lapsed" in shown
    assert "<script" not in shown
    picture(page, "cohorts")


MEASURE = """<body><iframe srcdoc="{page}" style="width:{width}px;height:800px;border:0"></iframe>
<script>onload = () => {{
  const root = document.querySelector("iframe").contentDocument.documentElement;
  document.title = root.scrollWidth + " of " + root.clientWidth;
}}</script>"""


@pytest.mark.parametrize("width", [375, 1280])
def test_no_page_needs_scrolling_to_the_side(mixpanel, tmp_path, width: int) -> None:
    folder = tmp_path / "kept"
    pages = {"events": mixpanel_report(mixpanel, tmp_path)}
    pages["dry run"] = mixpanel_report(None, tmp_path, dry_run=True)
    pages["failed"] = mixpanel_report(mixpanel, tmp_path, service_account_password="wrong-one")
    with FakeBraze() as braze:
        pages["cohorts"] = cohort_report(braze, tmp_path)
    run(events(), mixpanel, tmp_path, report_path=f"{folder}/", max_rejected_ratio=1)
    pages["index"] = (folder / "index.html").read_text()
    for name, page in pages.items():
        frame = tmp_path / f"{name}.frame.html"
        frame.write_text(MEASURE.format(page=escape(page), width=width))
        assert f"<title>{width} of {width}</title>" in browse(frame, "--dump-dom"), name
