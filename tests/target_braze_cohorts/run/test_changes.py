"""Streams of changes: only those move whom they name."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import SettingsError
from tests.fakes.fake_braze import Fault
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    by_attribute,
    cohort,
    member,
    run,
    state,
)

MANY = [f"u{number}" for number in range(10)]
CHANGES = {"changes_stream": True, **LENIENT}


def test_changes_move_only_those_whom_they_name(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + member(1, "a") + member(1, "b"), **CHANGES).ok()
    run(braze, tmp_path, SCHEMAS + member(1, "c"), **CHANGES).ok()
    assert braze.members("1") == {"a", "b", "c"}
    leaving = member(1, "a", should_remove=True) + member(1, "b", _sdc_deleted_at="2026-01-01")
    staying = member(1, "c", should_remove=False, _sdc_deleted_at=None)
    run(braze, tmp_path, SCHEMAS + leaving + staying, **CHANGES).ok()
    assert braze.members("1") == {"c"}


def test_the_last_change_of_a_member_counts(braze, tmp_path):
    out, back = member(1, "a", should_remove=True), member(1, "a")
    run(braze, tmp_path, SCHEMAS + back + out, **CHANGES).ok()
    assert braze.members("1") == set()
    run(braze, tmp_path, SCHEMAS + out + back, **CHANGES).ok()
    assert braze.members("1") == {"a"}


def test_removals_of_strangers_are_not_sent(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + member(1, "x", should_remove=True), **CHANGES).ok()
    assert not [request for request in braze.requests if request.removes]


def test_guards_hold_for_changes_too(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + b"".join(map(member, [1] * 10, MANY)), **CHANGES).ok()
    leaving = b"".join(member(1, who, should_remove="true") for who in MANY[:5])
    done = run(braze, tmp_path, SCHEMAS + leaving, changes_stream=True)
    assert isinstance(done.error, SettingsError)
    assert braze.members("1") == set(MANY)


def test_a_full_resync_of_changes_sends_all_who_are_in(braze, tmp_path):
    braze.users = {"a"}
    run(braze, tmp_path, SCHEMAS + member(1, "a") + member(1, "late"), **CHANGES).ok()
    braze.users.add("late")
    run(braze, tmp_path, SCHEMAS, full_resync_days=0, **CHANGES).ok()
    assert braze.members("1") == {"a", "late"}


def test_changes_in_an_input_cut_in_a_line_remove_nobody(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + member(1, "a"), **CHANGES).ok()
    lines = SCHEMAS + member(1, "a", should_remove=True) + b'{"type'
    assert run(braze, tmp_path, lines, **CHANGES).error
    assert braze.members("1") == {"a"}


# Renamed cohorts, where their names are the values of an attribute

BY_NAME = by_attribute(changes_stream=True)
FOUR = b"".join(map(member, [1] * 4, "abcd"))


def test_a_renamed_cohort_takes_along_whom_the_changes_do_not_name(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + cohort(1, "VIP") + FOUR, **BY_NAME).ok()
    renamed = SCHEMAS + cohort(1, "Gold") + member(1, "e") + member(1, "a", should_remove=True)
    run(braze, tmp_path, renamed, **BY_NAME).ok()
    assert braze.members("Gold") == {"b", "c", "d", "e"}
    assert braze.members("VIP") == set()
    before = len(braze.requests)
    run(braze, tmp_path, SCHEMAS + cohort(1, "Gold"), **BY_NAME).ok()
    assert len(braze.requests) == before


def test_a_guard_sees_through_the_rename(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + cohort(1, "VIP") + FOUR, **BY_NAME).ok()
    leaving = b"".join(member(1, who, should_remove=True) for who in "ab")
    done = run(braze, tmp_path, SCHEMAS + cohort(1, "Gold") + leaving, **BY_NAME)
    assert "would lose 2 of 4" in str(done.error)
    assert braze.members("VIP") == set("abcd")


def test_a_rename_that_is_broken_off_is_made_good(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + cohort(1, "VIP") + FOUR, **BY_NAME).ok()
    renamed = SCHEMAS + cohort(1, "Gold") + member(1, "a", should_remove=True)
    braze.policy = lambda request: Fault(503) if request.removes else None
    assert run(braze, tmp_path, renamed, retry_seconds=0, **BY_NAME).error
    braze.policy = lambda _: None
    run(braze, tmp_path, renamed, **BY_NAME).ok()
    assert braze.members("Gold") == {"b", "c", "d"}
    assert braze.members("VIP") == set()


def test_names_that_change_places_are_stopped_because_changes_do_not_show_who_is_where(
    braze, tmp_path
):
    both = SCHEMAS + cohort(1, "VIP") + cohort(2, "Gold") + member(1, "a") + member(2, "b")
    run(braze, tmp_path, both, **BY_NAME).ok()
    done = run(braze, tmp_path, SCHEMAS + cohort(1, "Gold") + cohort(2, "VIP"), **BY_NAME)
    assert "attribute_value id" in str(done.error)
    assert braze.values == {"a": ["VIP"], "b": ["Gold"]}


def test_a_name_that_becomes_free_is_taken_in_the_next_run(braze, tmp_path):
    both = SCHEMAS + cohort(1, "VIP") + cohort(2, "Gold") + member(1, "a") + member(2, "b")
    run(braze, tmp_path, both, **BY_NAME).ok()
    renamed = SCHEMAS + cohort(1, "Gold") + cohort(2, "Silver")
    assert run(braze, tmp_path, renamed, **BY_NAME).error
    run(braze, tmp_path, renamed, **BY_NAME).ok()
    assert braze.values == {"a": ["Gold"], "b": ["Silver"]}


# What Braze did not take


@pytest.mark.parametrize("people", ["n", "nm"])
def test_refused_changes_are_sent_again_though_the_stream_does_not_repeat_them(
    braze, tmp_path, people
):
    run(braze, tmp_path, SCHEMAS + member(1, "a") + member(1, "b"), **CHANGES).ok()
    lines = SCHEMAS + b"".join(map(member, [1] * 2, people)) + member(1, "a", should_remove=True)
    braze.policy = lambda request: Fault(400) if request.adds or request.removes else None
    refused = run(braze, tmp_path, lines + state(bookmark=1), **CHANGES)
    assert braze.members("1") == {"a", "b"}
    braze.policy = lambda _: None
    again = SCHEMAS if refused.stdout else lines
    run(braze, tmp_path, again + state(bookmark=2), **CHANGES).ok()
    assert braze.members("1") == {"b", *people}


def test_somebody_whom_braze_never_took_is_not_taken_out(braze, tmp_path):
    braze.malformed = {"x"}
    run(braze, tmp_path, SCHEMAS + member(1, "a") + member(1, "x"), **CHANGES).ok()
    assert run(braze, tmp_path, SCHEMAS, **CHANGES).ok().dead[0]["record"]["distinct_id"] == "x"
    before = len(braze.requests)
    run(braze, tmp_path, SCHEMAS + member(1, "x", should_remove=True), **CHANGES).ok()
    assert run(braze, tmp_path, SCHEMAS, **CHANGES).ok().dead == []
    assert len(braze.requests) == before
