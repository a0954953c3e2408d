"""A long run says how far it is."""

from __future__ import annotations

import logging
import threading
import time

from tap_braze_currents.bucket.reading_ahead import read_object
from tap_braze_currents.bucket.store import Bucket
from tap_braze_currents.run.conditions import RunConditions
from tap_braze_currents.run.progress_log import Done, ProgressLines
from tests.currents_generator import generate
from tests.tap_braze_currents.conftest import make_tap, tap_of

OPEN = "users.messages.email.Open"


def test_a_line_names_what_is_done_the_rate_and_the_time_left():
    lines = ProgressLines(100.0)
    lines.line(Done(1000, 20_000, 5000, is_listed=False, hour="2026-11-01-03"), 110.0)

    assert lines.line(Done(3000, 70_000, 9000, is_listed=True, hour="2026-11-01-05"), 120.0) == (
        "3,000 of 9,000 files read, hour 2026-11-01-05 reached; "
        "200 files and 5,000 records a second, about 30 s left."
    )


def test_without_the_whole_listing_no_end_is_foretold():
    line = ProgressLines(0.0).line(Done(10, 20, 30, is_listed=False, hour=""), 10.0)

    assert line == "10 of 30 or more files read; 1 files and 2 records a second."


def test_the_last_line_is_about_the_whole_run():
    lines = ProgressLines(0.0)
    lines.line(Done(10, 20, 30, is_listed=True, hour=""), 10.0)

    assert lines.closing_line(Done(400, 8000, 400, is_listed=True, hour=""), 20.0) == (
        "400 files with 8,000 records read in 20.0 s: 20 files and 400 records a second."
    )


def test_a_run_that_waits_for_the_store_says_so_all_the_same(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    generate(tmp_path, events=4, types=[OPEN])
    reported = threading.Event()

    def read_slowly(bucket, file):
        deadline = time.monotonic() + 10
        while "0 of 2" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        reported.set()
        return read_object(bucket, file)

    conditions = RunConditions(read_file=read_slowly, seconds_between_reports=0.05)
    make_tap(tmp_path, tap_class=tap_of(OPEN), conditions=conditions).sync_all()

    assert reported.is_set()
    assert "0 of 2" in caplog.text
    assert "2 files with 4 records read in" in caplog.text


def test_a_run_that_lists_for_long_says_so(tmp_path, caplog, monkeypatch):
    caplog.set_level(logging.INFO)
    generate(tmp_path, events=4, types=[OPEN])
    folders = Bucket.folders

    def list_slowly(bucket):
        deadline = time.monotonic() + 10
        while "Listing the bucket" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
        return folders(bucket)

    monkeypatch.setattr(Bucket, "folders", list_slowly)
    conditions = RunConditions(seconds_between_reports=0.05)
    make_tap(tmp_path, tap_class=tap_of(OPEN), conditions=conditions).sync_all()

    assert "Listing the bucket, for 0 s so far." in caplog.text


def test_a_short_run_logs_no_progress(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    generate(tmp_path, events=4, types=[OPEN])
    make_tap(tmp_path, tap_class=tap_of(OPEN)).sync_all()

    assert "What was read" in caplog.text
    assert "a second" not in caplog.text
