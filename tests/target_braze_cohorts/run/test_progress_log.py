"""What a long run logs while it goes, and that a short one logs nothing of it."""

from __future__ import annotations

from unittest.mock import patch

from target_braze_cohorts.run.progress_log import Done, ProgressLines
from target_braze_cohorts.target import TargetBrazeCohorts
from tests.fakes.fake_braze import FakeBraze
from tests.target_braze_cohorts.harness import by_attribute, full, run

LONG = {"concurrency": 4, **by_attribute()}
PEOPLE = [f"u{number:04}" for number in range(1_500)]


def test_while_the_input_comes_a_line_says_how_much_was_read():
    lines = ProgressLines(0.0)
    assert lines.line(Done(1_000_000), 10.0) == (
        "1,000,000 members and profiles read, 100,000 a second."
    )


def test_while_the_lists_are_compared_a_line_says_so():
    line = ProgressLines(0.0).line(Done(1_000_000, is_read=True), 10.0)
    assert line == "Comparing 1,000,000 members and profiles with what Braze has."


def test_while_people_are_sent_a_line_gives_the_latest_rate_and_the_end():
    lines = ProgressLines(0.0)
    lines.line(Done(5, is_read=True, sent=1_000, planned=9_000), 10.0)
    line = lines.line(
        Done(5, is_read=True, sent=5_000, planned=9_000, in_flight=16, retries=2), 20.0
    )
    assert line == (
        "5,000 of 9,000 people sent, 400 a second, about 10 s left; "
        "16 requests in flight, 2 retries."
    )


def test_while_braze_asks_to_wait_a_line_says_how_long_and_promises_no_end():
    lines = ProgressLines(0.0)
    line = lines.line(Done(5, is_read=True, sent=0, planned=9, pause=42.0), 10.0)
    waiting = "next request in 42 s"
    assert line == f"0 of 9 people sent, 0 a second; {waiting}; 0 requests in flight, 0 retries."


def test_a_long_run_logs_lines_also_while_it_waits_and_its_figures(tmp_path):
    often = patch.object(TargetBrazeCohorts, "progress_seconds", 0.1)
    with often, FakeBraze(seconds=0.3) as braze:
        done = run(braze, tmp_path, full({1: PEOPLE}), **LONG).ok()
    lines = [line for line in done.stderr.splitlines() if "of 1,500 people sent" in line]
    assert len(lines) > 5
    assert any(line.startswith("0 of 1,500 people sent, 0 a second; ") for line in lines)
    assert any(" s left; 4 requests in flight, 0 retries." in line for line in lines)
    closing = [line for line in done.stderr.splitlines() if "1,500 people sent in" in line]
    assert len(closing) == 1
    assert "21 requests" in closing[0]


def test_a_short_run_logs_no_progress(braze, tmp_path):
    done = run(braze, tmp_path, full({1: PEOPLE})).ok()
    assert " of 1,500 people sent" not in done.stderr
    assert "members and profiles" not in done.stderr
