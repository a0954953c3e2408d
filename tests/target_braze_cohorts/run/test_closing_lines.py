"""What a run logs about its cohorts at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.fakes.fake_braze import FakeBraze
from tests.target_braze_cohorts import harness

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NAMES = {1: "Readers", 2: "Lapsed", 3: "New"}
PEOPLE = {1: ["anna", "bert"], 2: ["carl"], 3: ["dora"]}


@pytest.fixture
def braze() -> Iterator[FakeBraze]:
    with FakeBraze() as server:
        yield server


def log_of(braze: FakeBraze | None, folder: Path, people: dict[int, list[str]], **changes) -> str:
    return harness.run(braze, folder, harness.full(people, NAMES), **changes).ok().stderr


def test_a_first_run_has_a_row_for_each_cohort(braze, tmp_path) -> None:
    log = log_of(braze, tmp_path, PEOPLE)
    assert "Result for each cohort" in log
    assert all(name in log for name in NAMES.values())
    assert "unchanged" not in log


def test_a_run_without_changes_has_one_line_instead_of_the_table(braze, tmp_path) -> None:
    log_of(braze, tmp_path, PEOPLE)
    log = log_of(braze, tmp_path, PEOPLE)
    assert "3 cohorts are unchanged: 4 members received, 4 are in Braze. Read, staged" in log
    assert "Result for each cohort" not in log
    assert "Readers" not in log


def test_cohorts_without_a_change_have_one_row_together(braze, tmp_path) -> None:
    log_of(braze, tmp_path, PEOPLE)
    log = log_of(braze, tmp_path, {**PEOPLE, 1: ["anna", "bert", "emma"]})
    rows = [line.split() for line in log.splitlines()]
    assert ["1", "Readers", "3", "0", "2", "1", "0", "1", "0", "0"] in rows
    assert ["…", "2", "unchanged", "2", "0", "2", "0", "0", "0", "0", "0"] in rows
    assert ["total", "5", "0", "4", "1", "0", "1", "0", "0"] in rows
    assert "Lapsed" not in log


def test_a_dry_run_shows_each_cohort(braze, tmp_path) -> None:
    log_of(braze, tmp_path, PEOPLE)
    log = log_of(braze, tmp_path, PEOPLE, dry_run=True)
    assert all(name in log for name in NAMES.values())


def test_a_cohort_that_is_stopped_is_not_unchanged(braze, tmp_path) -> None:
    everybody = {**PEOPLE, 1: [f"user-{number}" for number in range(50)]}
    log_of(braze, tmp_path, everybody)
    stopped = harness.full({**everybody, 1: ["user-1"]}, NAMES)
    log = harness.run(braze, tmp_path, stopped).stderr
    assert "STOPPED" in log
    assert "2 unchanged" in log
