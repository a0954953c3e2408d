"""Delivery through an array attribute, for those without a partner key."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import SettingsError
from target_braze_cohorts.braze.user_attribute import UserAttribute
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    activate,
    by_attribute,
    cohort,
    full,
    member,
    run,
)

BY_NAME = by_attribute()
BY_ID = by_attribute(attribute_value="id")


def test_names_or_ids_become_values_of_the_attribute(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a"], 2: ["a", "b"]}, {1: "Readers", 2: "VIP"}), **BY_NAME).ok()
    values = {who: sorted(names) for who, names in braze.values.items()}  # two lists side by side
    assert values == {"a": ["Readers", "VIP"], "b": ["VIP"]}
    run(braze, tmp_path, full({1: ["c"]}, {1: "Readers"}), **BY_ID).ok()
    assert braze.values["c"] == ["1"]


def test_unknown_users_are_not_made(braze, tmp_path):
    braze.users = {"a"}
    run(braze, tmp_path, full({1: ["a", "stranger"]}), **BY_NAME).ok()
    assert braze.users == {"a"}


def test_at_most_75_users_go_in_one_request(braze, tmp_path):
    everybody = {f"u{number}" for number in range(200)}
    run(braze, tmp_path, full({1: everybody}), **BY_ID).ok()
    sizes = [len(request.adds) for request in braze.writes()]
    assert sorted(sizes) == [50, 75, 75]  # requests travel side by side
    assert UserAttribute.most_users == 75
    run(braze, tmp_path, full({1: []}), **BY_ID, **LENIENT).ok()
    assert braze.members("1") == set()


def test_a_renamed_cohort_moves_everybody_to_the_new_value(braze, tmp_path):
    everybody = ["a", "b", "c", "d"]
    run(braze, tmp_path, full({1: everybody}, {1: "old"}), **BY_NAME).ok()
    run(braze, tmp_path, full({1: everybody[1:]}, {1: "new"}), **BY_NAME).ok()
    assert braze.values == {"a": [], "b": ["new"], "c": ["new"], "d": ["new"]}
    done = run(braze, tmp_path, full({1: everybody[1:]}, {1: "new"}), **BY_NAME).ok()
    assert list(done.rows) == ["1"]


def test_the_plan_of_a_renamed_cohort_shows_all_who_leave_the_old_value(braze, tmp_path):
    run(braze, tmp_path, full({1: "abcd"}, {1: "old"}), **BY_NAME).ok()
    renamed = full({1: "bcd"}, {1: "new"})
    plan = run(braze, tmp_path, renamed, dry_run=True, **BY_NAME).ok().rows["1"]
    assert (plan.in_braze, plan.counts.to_add, plan.counts.to_remove) == (4, 3, 4)
    assert plan.note == "was old before"
    row = run(braze, tmp_path, renamed, **BY_NAME).ok().rows["1"]
    assert (row.done.added, row.done.removed) == (3, 4)


def test_the_plan_of_a_renamed_cohort_shows_no_removal_where_the_list_is_not_complete(
    braze, tmp_path
):
    run(braze, tmp_path, full({1: "abcd"}, {1: "old"}), **BY_NAME).ok()
    lines = SCHEMAS + cohort(1, "new") + member(1, "b")
    assert run(braze, tmp_path, lines, **BY_NAME).rows["1"].counts.to_remove == 0
    assert braze.members("old") == set("abcd")


def test_a_guard_sees_through_a_rename(braze, tmp_path):
    everybody = ["a", "b", "c", "d"]
    run(braze, tmp_path, full({1: everybody}, {1: "old"}), **BY_NAME).ok()
    done = run(braze, tmp_path, full({1: ["a"]}, {1: "new"}), **BY_NAME)
    assert isinstance(done.error, SettingsError)
    assert braze.members("old") == set(everybody)
    assert braze.members("new") == set()


def test_two_cohorts_of_one_name_are_stopped_and_distinguished_by_id(braze, tmp_path):
    lists = full({1: ["a"], 2: ["b"], 3: ["c"]}, {1: "same", 2: "same"})
    done = run(braze, tmp_path, lists, **BY_NAME)
    assert isinstance(done.error, SettingsError)
    assert "attribute_value id" in str(done.error)
    assert braze.values == {"c": ["Cohort 3"]}
    run(braze, tmp_path, lists, **BY_ID).ok()


def test_a_user_refused_inside_a_success_is_listed_and_sent_again(braze, tmp_path):
    braze.refused = {"b"}
    done = run(braze, tmp_path, full({1: ["a", "b", "c"]}), **BY_ID).ok()
    assert done.rows["1"].done.added == 2
    assert done.rows["1"].done.refused == 1
    assert done.dead[0]["record"] == {"cohort_id": "1", "distinct_id": "b", "should_remove": False}
    assert done.dead[0]["message"] == "user is blocklisted"
    before = len(braze.writes())
    braze.refused = set()
    run(braze, tmp_path, full({1: ["a", "b", "c"]}), **BY_ID).ok()
    assert [request.adds for request in braze.writes()[before:]] == [["b"]]


def test_a_refused_change_is_sent_again_though_the_stream_does_not_repeat_it(braze, tmp_path):
    changes = {**BY_ID, "changes_stream": True, **LENIENT}
    run(braze, tmp_path, SCHEMAS + member(1, "a") + member(1, "b"), **changes).ok()
    braze.refused = {"a", "c"}
    lines = SCHEMAS + member(1, "a", should_remove=True) + member(1, "c")
    run(braze, tmp_path, lines, **changes).ok()
    assert braze.members("1") == {"a", "b"}
    braze.refused = set()
    run(braze, tmp_path, SCHEMAS, **changes).ok()
    assert braze.members("1") == {"b", "c"}


def test_one_time_is_not_done_before_everybody_was_taken(braze, tmp_path):
    once = {**BY_ID, "sync_mode": "one_time"}
    braze.refused = {"b"}
    run(braze, tmp_path, full({1: ["a", "b"]}), **once).ok()
    braze.refused = set()
    run(braze, tmp_path, full({1: ["a", "b"]}), **once).ok()
    assert braze.members("1") == {"a", "b"}


def test_aliases_are_named_as_user_aliases(braze, tmp_path):
    labels = {"identifier": "alias", "alias_label": "crm"}
    run(braze, tmp_path, SCHEMAS + member(1, "x") + activate(), **BY_ID, **labels).ok()
    assert braze.members("1") == {"crm/x"}


@pytest.mark.parametrize("mode", ["dynamic", "one_time"])
def test_a_vanished_cohort_keeps_its_value_unless_it_is_to_be_cleared(braze, tmp_path, mode):
    run(braze, tmp_path, full({1: ["a"], 2: ["b"]}), **BY_ID).ok()
    clearing = {**BY_ID, **LENIENT, "clear_vanished_cohorts": True, "sync_mode": mode}
    run(braze, tmp_path, full({2: ["b"]}), **clearing).ok()
    assert braze.members("1") == (set() if mode == "dynamic" else {"a"})
