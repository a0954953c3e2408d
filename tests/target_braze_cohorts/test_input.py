"""Input that is not right, and what becomes of the rest of it."""

from __future__ import annotations

import json
from datetime import datetime, timezone

import pytest

from braze_mixpanel.errors import InputError
from target_braze_cohorts.braze.cohort_import import CohortImport
from target_braze_cohorts.run.cohort_delivery import created_at
from tests.target_braze_cohorts.harness import (
    SCHEMAS,
    activate,
    line,
    member,
    run,
)

MANY = [f"u{number}" for number in range(10)]


def test_batch_messages_are_refused_in_one_line(braze, tmp_path):
    batch = line({"type": "BATCH", "stream": "cohort_members", "encoding": {}, "manifest": []})
    done = run(braze, tmp_path, SCHEMAS + batch)
    assert isinstance(done.error, InputError)


@pytest.mark.parametrize("broken", [b"tap says hello\n", b'{"type": "RECORD"', b"[]\n"])
def test_what_came_before_a_broken_line_is_added(braze, tmp_path, broken):
    done = run(braze, tmp_path, SCHEMAS + member(1, "a") + broken + b"\n" + member(1, "b"))
    assert isinstance(done.error, InputError)
    assert braze.members("1") == {"a"}


def test_a_broken_record_among_good_ones_is_reported_in_one_line(braze, tmp_path):
    broken = member(1, "b")[:-8] + b"\n"
    done = run(braze, tmp_path, SCHEMAS + member(1, "a") + broken + member(1, "c"))
    assert isinstance(done.error, InputError)
    assert braze.members("1") == {"a"}


def test_broken_unicode_is_repaired_and_what_is_nested_too_deeply_is_cut_off(braze, tmp_path):
    start = member(1, "b")[:-3]
    lines = SCHEMAS + member(1, "a") + start + b', "x": "\xff"}}\n'
    run(braze, tmp_path, lines + activate()).ok()
    assert braze.members("1") == {"a", "b"}
    deep = member(1, "c")[:-3] + b', "x": ' + b"[" * 3000 + b"]" * 3000 + b"}}\n"
    run(braze, tmp_path, lines + deep + activate()).ok()
    assert braze.members("1") == {"a", "b", "c"}


def test_a_page_takes_no_more_than_the_endpoint_does():
    assert CohortImport.most_users == 1000


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2024-03-19T23:49:51.000000Z", "2024-03-19T23:49:51+00:00"),
        ("2024-03-19 23:49:51", "2024-03-19T23:49:51+00:00"),
        ("2024-03-19T23:49:51+05:30", "2024-03-19T23:49:51+05:30"),
        ("yesterday", "NOW"),
        (None, "NOW"),
    ],
)
def test_the_time_of_a_cohort_is_written_with_its_zone(text, expected):
    now = datetime(2026, 11, 23, tzinfo=timezone.utc)
    assert created_at(text, now) == (now.isoformat() if expected == "NOW" else expected)


def test_the_dead_letter_is_singer(braze, tmp_path):
    lines = SCHEMAS + member(1, None) + activate()
    config = {"dead_letter_path": str(tmp_path / "kept")}
    run(braze, tmp_path, lines, **config).ok()
    (path,) = (tmp_path / "kept").iterdir()
    kinds = [json.loads(text)["type"] for text in path.read_text().splitlines()]
    assert kinds == ["SCHEMA", "RECORD"]
    assert path.stat().st_mode & 0o077 == 0
