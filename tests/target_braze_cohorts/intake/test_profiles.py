"""Identifiers that are joined from the profiles stream."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import InputError, SettingsError, TemporaryError
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    cohort,
    member,
    record,
    run,
    schema,
    syncing,
    tap,
)

BY_BRAZE_ID = {"external_id_property": "$braze_external_id"}


def profile(distinct_id, external_id=None):
    return record("engage", distinct_id=distinct_id, mp_reserved_braze_external_id=external_id)


def profiles(**external_ids):
    lines = [profile(who, external_id) for who, external_id in external_ids.items()]
    return schema("engage", "distinct_id") + b"".join(lines)


def lists(members, found, *, end=None):
    return b"".join(tap(members, profiles=found)[:end])


@pytest.mark.parametrize("name", ["$braze_external_id", "mp_reserved_braze_external_id"])
def test_the_property_is_found_under_either_of_its_names(braze, tmp_path, name):
    lines = lists({1: ["a", "b"]}, profiles(a="ext-a", b="ext-b"))
    run(braze, tmp_path, lines, external_id_property=name).ok()
    assert braze.members("1") == {"ext-a", "ext-b"}


def test_members_without_the_property_or_without_a_profile_are_listed(braze, tmp_path):
    found = profiles(a="ext-a", b=None)
    done = run(braze, tmp_path, lists({1: ["a", "b", "c"]}, found), **BY_BRAZE_ID).ok()
    assert braze.members("1") == {"ext-a"}
    assert done.rows["1"].counts.received == 3
    assert done.rows["1"].counts.without_identifier == 2
    left_out = [letter["record"] for letter in done.dead]
    assert left_out == [
        {"cohort_id": "1", "distinct_id": "b"},
        {"cohort_id": "1", "distinct_id": "c"},
    ]


@pytest.mark.parametrize("before", [{}, {1: ["a"]}])
def test_a_property_that_no_profile_has_is_reported(braze, tmp_path, before):
    if before:
        run(braze, tmp_path, lists(before, profiles(a="ext-a")), **BY_BRAZE_ID).ok()
    found = profiles(a="ext-a", b="ext-b")
    done = run(braze, tmp_path, lists({1: ["a", "b"]}, found), external_id_property="$external_id")
    assert isinstance(done.error, SettingsError)
    assert "No profile has the property $external_id" in str(done.error)
    assert done.stdout == ""
    assert braze.members("1") == ({"ext-a"} if before else set())


def test_two_profiles_of_one_person_are_one_member(braze, tmp_path):
    run(braze, tmp_path, lists({1: ["a", "b"]}, profiles(a="x", b="x")), **BY_BRAZE_ID).ok()
    assert braze.writes()[-1].adds == ["x"]
    run(braze, tmp_path, lists({1: ["b"]}, profiles(a="x", b="x")), **BY_BRAZE_ID).ok()
    assert braze.members("1") == {"x"}


def test_the_last_of_two_records_of_a_profile_counts(braze, tmp_path):
    found = profiles(a="old") + profile("a", "new")
    run(braze, tmp_path, lists({1: ["a"]}, found), **BY_BRAZE_ID).ok()
    assert braze.members("1") == {"new"}


def test_profiles_may_come_after_the_members(braze, tmp_path):
    lines = [*tap({1: ["a"]})[:-1], *profiles(a="x").splitlines(keepends=True)]
    run(braze, tmp_path, b"".join(lines), **BY_BRAZE_ID).ok()
    assert braze.members("1") == {"x"}


def test_nobody_is_removed_for_a_profile_that_did_not_come(braze, tmp_path):
    everybody = {1: ["a", "b"]}
    run(braze, tmp_path, lists(everybody, profiles(a="x", b="y")), **BY_BRAZE_ID).ok()
    late = [*tap(everybody)[3:-1], syncing("engage"), *profiles(a="x").splitlines(keepends=True)]
    done = run(braze, tmp_path, b"".join(late), **BY_BRAZE_ID, **LENIENT)
    assert isinstance(done.error, TemporaryError)
    assert braze.members("1") == {"x", "y"}


def test_somebody_who_lost_the_property_is_removed(braze, tmp_path):
    everybody = {1: ["a", "b"]}
    run(braze, tmp_path, lists(everybody, profiles(a="x", b="y")), **BY_BRAZE_ID).ok()
    run(braze, tmp_path, lists(everybody, profiles(a="x", b=None)), **BY_BRAZE_ID, **LENIENT).ok()
    assert braze.members("1") == {"x"}


def test_a_stream_of_profiles_that_was_not_selected_is_asked_for_and_nobody_is_listed(
    braze, tmp_path
):
    done = run(braze, tmp_path, b"".join(tap({1: ["a", "b"]})), **BY_BRAZE_ID)
    assert isinstance(done.error, SettingsError)
    assert "meltano select tap-mixpanel engage '*'" in str(done.error)
    assert done.dead == []
    assert not braze.requests


def test_an_input_cut_in_a_line_before_its_profiles_is_reported_as_such(braze, tmp_path):
    done = run(braze, tmp_path, b"".join(tap({1: ["a"]})) + b'{"type', **BY_BRAZE_ID)
    assert isinstance(done.error, InputError)
    assert done.dead == []


@pytest.mark.parametrize("profile_comes_first", [True, False])
@pytest.mark.parametrize(
    ("in_record", "in_profile", "used"),
    [
        ("of-record", "of-profile", "of-record"),
        ("of-record", None, "of-record"),
        (None, "of-profile", "of-profile"),
        ("", "of-profile", "of-profile"),
    ],
)
def test_a_member_record_goes_before_the_profile_wherever_it_stands_in_the_input(
    braze, tmp_path, profile_comes_first, in_record, in_profile, used
):
    people = SCHEMAS + member(1, "a", **{"$braze_external_id": in_record})
    parts = [profiles(a=in_profile), people]
    lines = b"".join(parts if profile_comes_first else reversed(parts)) + cohort(1, "VIP", 1)
    run(braze, tmp_path, lines, **BY_BRAZE_ID).ok()
    assert braze.members("1") == {used}
