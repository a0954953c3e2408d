"""Makes reports by real runs, and reads them."""

from __future__ import annotations

from html.parser import HTMLParser
from typing import TYPE_CHECKING

from tests.target_braze_cohorts import harness as cohorts
from tests.target_mixpanel.harness import STREAM, TIME, open_record, record, run, schema

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fakes.fake_braze import FakeBraze
    from tests.fakes.fake_mixpanel import FakeMixpanel

CUSTOM = "users_behaviors_customevent"
CLICK = "users_messages_email_click"
EVIL = "<script>alert(1)</script>"
LOADING = {"src", "href", "srcset", "data", "action", "poster", "xlink:href", "background"}


class Reader(HTMLParser):
    """Takes a page apart."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.rows: list[list[str]] = []
        self.text = ""
        self._in_cell = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = [(name, value) for name, value in attrs if name in LOADING]
        if tag == "a":  # loads nothing until somebody follows it
            self.links += [str(value) for _, value in found]
        else:
            self.loads += [f"{tag} {name}={value}" for name, value in found]
        if tag == "tr":
            self.rows.append([])
        if tag in {"td", "th"}:
            self._in_cell = True
            self.rows[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in {"td", "th"}:
            self._in_cell = False

    def handle_data(self, data: str) -> None:
        self.text += data
        if self._in_cell:
            self.rows[-1][-1] += data


def events() -> bytes:
    """Three opens and a click over two hours, one custom event, two skipped, two rejected."""
    lines = [schema(STREAM), schema(CLICK), schema(CUSTOM)]
    lines += [record(open_record(number, time=TIME + number * 1800)) for number in range(3)]
    lines += [record(open_record(9, email_address="someone@example.com"), CLICK)]
    lines += [record(open_record(10, name=EVIL), CUSTOM)]
    lines += [record(open_record(11, external_user_id=None)), record(open_record(12, time=12e8))]
    lines += [record(open_record(13, time=None)), record(open_record(14, id="x" * 50))]
    return b"".join(lines)


def mixpanel_report(server: FakeMixpanel | None, folder: Path, **changes: object) -> str:
    path = folder / "reports" / "run.html"
    run(events(), server, folder, report_path=str(path), max_rejected_ratio=1, **changes)
    return path.read_text()


def cohort_report(braze: FakeBraze, folder: Path, **changes: object) -> str:
    path = folder / "cohorts.html"
    names = {1: EVIL, 2: "Lapsed"}
    people = [f"user-{n}" for n in range(9)]
    before = {1: ["anna@example.com", *people], 2: people}
    after = {1: ["bert", "carl", *people], 2: ["user-1"]}
    cohorts.run(braze, folder, cohorts.full(before, names)).ok()
    cohorts.run(braze, folder, cohorts.full(after, names), report_path=str(path), **changes)
    return path.read_text()
