"""Small cohorts, allowed removals, cohorts by name, and the delivery that the keys choose."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import SettingsError
from target_braze_cohorts.target import TargetBrazeCohorts
from tests.fakes.fake_braze import API_KEY
from tests.target_braze_cohorts.harness import SCHEMAS, by_attribute, full, member, run, settings

MANY = [f"u{number}" for number in range(30)]
NAMES = {1: "Lapsed buyers", 2: "Readers"}


def test_a_small_cohort_may_lose_more_than_the_ratio_but_not_everybody(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a", "b"]}), removal_guard_minimum=20).ok()
    run(braze, tmp_path, full({1: ["a"]}), removal_guard_minimum=20).ok()
    assert braze.members("1") == {"a"}
    emptied = run(braze, tmp_path, full({1: []}), removal_guard_minimum=20)
    assert isinstance(emptied.error, SettingsError)
    assert braze.members("1") == {"a"}


def test_the_ratio_stops_a_cohort_that_would_lose_more_people_than_the_minimum(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    stopped = run(braze, tmp_path, full({1: MANY[:5]}), removal_guard_minimum=24)
    assert "would lose 25 of 30" in str(stopped.error)
    assert braze.members("1") == set(MANY)
    run(braze, tmp_path, full({1: MANY[:5]}), removal_guard_minimum=25).ok()
    assert braze.members("1") == set(MANY[:5])


@pytest.mark.parametrize("named", ["1", 1, "Lapsed buyers"])
def test_removals_can_be_allowed_for_one_cohort_by_id_or_name(braze, tmp_path, named):
    run(braze, tmp_path, full({1: MANY, 2: MANY}, NAMES)).ok()
    less = full({1: MANY[:2], 2: MANY[:2]}, NAMES)
    done = run(braze, tmp_path, less, allow_removals_for=[named])
    assert isinstance(done.error, SettingsError)
    assert braze.members("1") == set(MANY[:2])
    assert braze.members("2") == set(MANY)


def test_cohorts_are_chosen_by_name_although_members_come_first(braze, tmp_path):
    lists = {1: ["a"], 2: ["b"]}
    run(braze, tmp_path, full(lists, NAMES), cohort_ids=["Readers"]).ok()
    assert braze.members("1") == set()
    assert braze.members("2") == {"b"}
    rows = run(braze, tmp_path, full({1: ["a"], 2: ["c", "b"]}, NAMES), cohort_ids=["Readers"])
    assert set(rows.ok().rows) == {"2"}
    assert braze.members("2") == {"b", "c"}


@pytest.mark.parametrize("delivery", [{}, by_attribute()], ids=["cohort", "attribute"])
def test_a_cohort_is_known_by_the_name_of_an_earlier_run(braze, tmp_path, delivery):
    run(braze, tmp_path, full({1: MANY}, NAMES), **delivery).ok()
    leaving = SCHEMAS + b"".join(member(1, who, should_remove=True) for who in MANY[1:])
    changes = {"changes_stream": True, "cohort_ids": [NAMES[1]], **delivery}
    run(braze, tmp_path, leaving, allow_removals_for=[NAMES[1]], **changes).ok()
    assert braze.members(NAMES[1] if delivery else "1") == set(MANY[:1])


def test_a_name_that_no_cohort_has_is_an_error(braze, tmp_path):
    done = run(braze, tmp_path, full({1: ["a"]}, NAMES), cohort_ids=["Raeders"])
    assert isinstance(done.error, SettingsError)
    assert "cohort_ids" in str(done.error)


@pytest.mark.parametrize(
    ("keys", "delivery"),
    [
        ({}, "cohort"),
        ({"data_import_key": None, "partner_api_key": None, "api_key": API_KEY}, "attribute"),
        ({"api_key": API_KEY}, "cohort"),
        (by_attribute(), "attribute"),
    ],
)
def test_the_credentials_choose_the_delivery(tmp_path, keys, delivery):
    target = TargetBrazeCohorts(config=settings(None, tmp_path, **keys))
    assert target.config["delivery"] == delivery
