"""Full lists and changes of different cohorts in one input."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import SettingsError, TemporaryError
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    by_attribute,
    cohort,
    member,
    record,
    run,
    schema,
    state,
)

HEAD = SCHEMAS + schema("cohort_changes", "cohort_id", "distinct_id", "should_remove")
BY_RECORD = {"external_id_property": "$braze_external_id", **LENIENT}


def change(cohort_id, who, *, should_remove=False, **more):
    return record(
        "cohort_changes",
        cohort_id=cohort_id,
        distinct_id=who,
        should_remove=should_remove,
        **more,
    )


def listed(cohort_id, people):
    return b"".join(member(cohort_id, who) for who in people) + cohort(
        cohort_id, f"Cohort {cohort_id}", len(people)
    )


def test_a_list_replaces_and_changes_move_only_those_whom_they_name(braze, tmp_path):
    run(braze, tmp_path, HEAD + listed(1, "abc") + listed(2, "abc"), **LENIENT).ok()
    lines = HEAD + listed(1, "bc") + change(2, "a", should_remove=True) + change(2, "d")
    run(braze, tmp_path, lines + cohort(2, "Cohort 2") + state(n=1), **LENIENT).ok()
    assert braze.members("1") == {"b", "c"}
    assert braze.members("2") == {"b", "c", "d"}


def test_a_rename_alone_moves_nobody_and_ends_well(braze, tmp_path):
    run(braze, tmp_path, HEAD + listed(1, "abc")).ok()
    run(braze, tmp_path, HEAD + cohort(1, "New name")).ok()
    assert braze.members("1") == set("abc")
    assert braze.cohorts["1"].name == "New name"


@pytest.mark.parametrize("attribute_value", ["name", "id"])
def test_a_renamed_cohort_takes_its_members_along(braze, tmp_path, attribute_value):
    way = by_attribute(attribute_value=attribute_value)
    run(braze, tmp_path, HEAD + listed(1, "abc"), **way).ok()
    run(braze, tmp_path, HEAD + cohort(1, "New name") + change(1, "d"), **way).ok()
    assert braze.members("New name" if attribute_value == "name" else "1") == set("abcd")


def test_an_input_without_news_sends_nothing(braze, tmp_path):
    run(braze, tmp_path, HEAD + listed(1, "abc") + listed(2, "x")).ok()
    before = len(braze.requests)
    done = run(braze, tmp_path, HEAD + state(n=2), clear_vanished_cohorts=True).ok()
    assert len(braze.requests) == before
    assert '"n":2' in done.stdout.replace(" ", "")


def test_a_list_that_is_not_complete_still_removes_nobody(braze, tmp_path):
    run(braze, tmp_path, HEAD + listed(1, "abc"), **LENIENT).ok()
    done = run(braze, tmp_path, HEAD + member(1, "a"), **LENIENT)
    assert isinstance(done.error, TemporaryError)
    assert braze.members("1") == set("abc")


def test_guards_count_changes_too(braze, tmp_path):
    people = [f"u{number}" for number in range(100)]
    run(braze, tmp_path, HEAD + listed(1, people)).ok()
    leaving = b"".join(change(1, who, should_remove=True) for who in people[:50])
    done = run(braze, tmp_path, HEAD + leaving + cohort(1, "Cohort 1"))
    assert isinstance(done.error, SettingsError)
    assert braze.members("1") == set(people)


@pytest.mark.parametrize("off", [False, "false"])
def test_the_stream_of_changes_can_be_switched_off(braze, tmp_path, off):
    lines = HEAD + listed(1, "ab") + change(1, "x")
    run(braze, tmp_path, lines, changes_stream=off).ok()
    assert braze.members("1") == set("ab")


def test_the_stream_of_changes_may_have_another_name(braze, tmp_path):
    lines = SCHEMAS + schema("diff", "cohort_id") + listed(1, "ab") + cohort(2, "Two")
    lines += record("diff", cohort_id=2, distinct_id="x", should_remove=False)
    run(braze, tmp_path, lines, changes_stream="diff").ok()
    assert braze.members("2") == {"x"}


def test_external_ids_come_from_the_member_records(braze, tmp_path):
    ids = {"a": "b-a", "b": "b-b", "c": None}
    people = b"".join(member(1, who, **{"$braze_external_id": to}) for who, to in ids.items())
    done = run(braze, tmp_path, HEAD + people + cohort(1, "One", 3), **BY_RECORD).ok()
    assert braze.members("1") == {"b-a", "b-b"}
    assert [letter["record"]["distinct_id"] for letter in done.dead] == ["c"]
    leaving = change(1, "a", should_remove=True, **{"$braze_external_id": "b-a"})
    entering = change(1, "d", **{"$braze_external_id": "b-d"})
    run(braze, tmp_path, HEAD + leaving + entering + cohort(1, "One"), **BY_RECORD).ok()
    assert braze.members("1") == {"b-b", "b-d"}
    run(braze, tmp_path, HEAD + state(n=3), **BY_RECORD).ok()
