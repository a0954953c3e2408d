"""Cohorts that are no longer in the source, and what is no proof of that."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import SettingsError, TemporaryError
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    activate,
    by_attribute,
    cohort,
    full,
    member,
    run,
    schema,
    state,
    syncing,
    tap,
)

MANY = [f"u{number}" for number in range(10)]
CLEARING = {"clear_vanished_cohorts": True}


def test_a_vanished_cohort_keeps_its_members_and_is_reported(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: ["a"]})).ok()
    done = run(braze, tmp_path, full({2: ["a"]})).ok()
    assert braze.members("1") == set(MANY)
    assert "no longer in the source: members kept" in done.stderr


def test_a_vanished_cohort_is_emptied_where_the_settings_say_so(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: ["a"]})).ok()
    run(braze, tmp_path, full({2: ["a"]}), max_removal_ratio=1, **CLEARING).ok()
    assert braze.members("1") == set()
    assert braze.members("2") == {"a"}
    assert set(run(braze, tmp_path, full({2: ["a"]})).ok().rows) == {"2"}


def test_a_cohort_is_not_taken_for_vanished_when_the_tap_was_cut_short(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: ["a"]})).ok()
    run(braze, tmp_path, b"".join(tap({2: ["a"]}, with_counts=False)[:-1]), **CLEARING)
    assert braze.members("1") == set(MANY)


# What proves nothing


@pytest.mark.parametrize(
    "lines",
    [
        pytest.param(schema("cohort_members") + activate(), id="activated before the records"),
        pytest.param(SCHEMAS + activate("cohorts") + activate(), id="both activated first"),
        pytest.param(syncing("engage") + SCHEMAS + state(), id="the end of another stream"),
    ],
)
def test_an_end_without_a_record_is_no_end(braze, tmp_path, lines):
    run(braze, tmp_path, full({1: MANY})).ok()
    done = run(braze, tmp_path, lines, **CLEARING, **LENIENT)
    assert isinstance(done.error, TemporaryError)
    assert braze.members("1") == set(MANY)


def test_a_source_without_any_record_empties_nothing(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY})).ok()
    done = run(braze, tmp_path, syncing("cohorts") + SCHEMAS + state(), **CLEARING, **LENIENT).ok()
    assert braze.members("1") == set(MANY)
    assert "no longer in the source: members kept" in done.stderr


# Guards


def test_cohorts_that_vanish_with_too_many_members_are_stopped(braze, tmp_path):
    lists = dict.fromkeys(range(1, 6), MANY)
    run(braze, tmp_path, full(lists)).ok()
    lists = dict.fromkeys((1, 2, 3), MANY)
    done = run(braze, tmp_path, full({**lists, 3: MANY[1:]}), **CLEARING, allow_empty_cohorts=True)
    assert isinstance(done.error, SettingsError)
    assert "max_removal_ratio" in str(done.error)
    assert set(done.rows) == {"1", "2", "3", "4", "5"}
    assert braze.members("3") == set(MANY[1:])
    assert braze.members("4") == braze.members("5") == set(MANY)


def test_a_small_cohort_that_vanishes_needs_no_other_setting(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: ["a"]})).ok()
    run(braze, tmp_path, full({1: MANY}), **CLEARING).ok()
    assert braze.members("2") == set()


def test_cohorts_that_all_vanish_at_once_are_stopped(braze, tmp_path):
    run(braze, tmp_path, full({1: MANY, 2: ["a"]})).ok()
    done = run(braze, tmp_path, full({3: MANY}), **CLEARING)
    assert isinstance(done.error, SettingsError)
    assert braze.members("1") == set(MANY)


@pytest.mark.parametrize(("minimum", "left"), [(9, set(MANY)), (10, set())])
def test_no_more_people_than_the_minimum_may_leave_with_their_cohorts(
    braze, tmp_path, minimum, left
):
    run(braze, tmp_path, full({1: MANY, 2: ["a"]})).ok()
    run(braze, tmp_path, full({2: ["a"]}), removal_guard_minimum=minimum, **CLEARING)
    assert braze.members("1") == left


@pytest.mark.parametrize("named", ["1", 1, "Lapsed buyers"])
def test_the_guard_does_not_count_a_vanished_cohort_whose_removals_are_allowed(
    braze, tmp_path, named
):
    names = {1: "Lapsed buyers"}
    run(braze, tmp_path, full({1: MANY, 2: MANY, 3: ["a"]}, names)).ok()
    done = run(braze, tmp_path, full({3: ["a"]}), allow_removals_for=[named], **CLEARING)
    assert "2 (no longer in the source, with 10 of all 21 known members" in str(done.error)
    assert braze.members("1") == set()
    assert braze.members("2") == set(MANY)


# Names that pass from one cohort to another

BY_NAME = by_attribute()


def came_alone(name, people):
    """Give what a tap sends that dies after its first cohort, whose count is right."""
    return SCHEMAS + cohort(2, name, count=len(people)) + b"".join(map(member, [2] * 9, people))


def test_a_name_is_not_taken_from_a_cohort_that_may_still_have_it(braze, tmp_path):
    run(braze, tmp_path, full({1: "abcd"}, {1: "VIP"}), **BY_NAME).ok()
    done = run(braze, tmp_path, came_alone("VIP", "abcz"), **BY_NAME)
    assert isinstance(done.error, SettingsError)
    assert "same name" in str(done.error)
    assert braze.members("VIP") == set("abcd")


def test_a_name_is_not_taken_from_a_cohort_that_is_not_selected_any_more(braze, tmp_path):
    run(braze, tmp_path, full({1: "abcd"}, {1: "VIP"}), **BY_NAME).ok()
    lists = full({1: "abcd", 2: "abcz"}, {1: "VIP", 2: "VIP"})
    assert run(braze, tmp_path, lists, cohort_ids=["2"], **BY_NAME).error
    assert braze.members("VIP") == set("abcd")


def test_a_name_is_taken_over_once_its_cohort_is_gone_or_has_another(braze, tmp_path):
    run(braze, tmp_path, full({1: "abcd"}, {1: "VIP"}), **BY_NAME).ok()
    run(braze, tmp_path, full({2: "abcz"}, {2: "VIP"}), **BY_NAME).ok()
    assert braze.members("VIP") == set("abcz")
    lists = full({2: "abcz", 3: "bczy"}, {2: "Gold", 3: "VIP"})
    run(braze, tmp_path, lists, **BY_NAME).ok()
    assert braze.members("Gold") == set("abcz")
    assert braze.members("VIP") == set("bczy")
