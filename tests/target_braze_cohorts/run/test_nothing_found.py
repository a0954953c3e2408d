"""Input in which the settings find nothing: an error where they are wrong, not where it is so."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import InputError, SettingsError
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    cohort,
    full,
    member,
    record,
    run,
    schema,
    state,
    syncing,
)

OTHER_STREAMS = schema("kohorts", "id") + record("kohorts", id=1) + schema("people", "id")


def assert_reported(done, kind, *words):
    assert isinstance(done.error, kind)
    for word in words:
        assert word in str(done.error)
    assert done.stdout == ""


@pytest.mark.parametrize("lines", [b"", b"\n", state(bookmark=1)])
def test_an_empty_input_fails(braze, tmp_path, lines):
    assert_reported(run(braze, tmp_path, lines), InputError, "The input is empty")
    run(braze, tmp_path, full({1: ["a"]})).ok()
    assert_reported(run(braze, tmp_path, lines), InputError, "The input is empty")


@pytest.mark.parametrize("way", [{}, {"changes_stream": True}, {"dry_run": True}])
def test_streams_that_the_settings_do_not_name_are_reported_beside_the_settings(
    braze, tmp_path, way
):
    done = run(braze, tmp_path, OTHER_STREAMS + state(bookmark=1), **way)
    assert_reported(done, SettingsError, "kohorts, people", "cohorts_stream", "members_stream")


def test_cohort_ids_that_match_none_are_reported_beside_some_that_came(braze, tmp_path):
    lists = full({number: ["a"] for number in range(1, 9)})
    done = run(braze, tmp_path, lists + state(bookmark=1), cohort_ids=["99"])
    assert_reported(done, SettingsError, "cohort_ids", "1, 2, 3, 4, 5, …")
    assert not braze.requests


def test_fields_that_hold_no_cohort_id_are_reported(braze, tmp_path):
    lines = SCHEMAS + record("cohort_members", list_id=1, distinct_id="a") + state(bookmark=1)
    assert_reported(run(braze, tmp_path, lines), SettingsError, "member_cohort_id_field")


def test_a_source_without_cohorts_is_the_cause_and_not_cohort_ids(braze, tmp_path):
    lines = syncing("cohorts") + SCHEMAS + state(bookmark=1)
    done = run(braze, tmp_path, lines, cohort_ids=["99", "VIP"])
    assert_reported(done, SettingsError, "The input has no cohorts at all", "(99, VIP)")
    assert "others were delivered" not in str(done.error)
    assert not braze.requests


@pytest.mark.parametrize("lines", [b"", b"\n", state(bookmark=1)])
def test_an_empty_input_is_the_cause_and_not_cohort_ids(braze, tmp_path, lines):
    done = run(braze, tmp_path, lines, cohort_ids=["99"], allow_removals_for=["99"])
    assert_reported(done, InputError, "The input is empty")
    assert "cohort_ids" not in str(done.error)


# What is good


@pytest.mark.parametrize("way", [{}, {"changes_stream": True}])
def test_a_source_that_has_no_cohorts_is_good_and_said_so(braze, tmp_path, caplog, way):
    lines = syncing("cohorts") + SCHEMAS + state(bookmark=1)
    assert run(braze, tmp_path, lines, **way).ok().stdout
    assert "The input has no cohorts" in caplog.text


def test_a_selected_cohort_without_changes_is_good(braze, tmp_path):
    way = {"changes_stream": True, "cohort_ids": ["1"], **LENIENT}
    run(braze, tmp_path, SCHEMAS + member(1, "a"), **way).ok()
    run(braze, tmp_path, SCHEMAS + member(2, "a"), **way).ok()
    assert braze.members("1") == {"a"}


def test_a_selected_cohort_that_vanished_is_reported_as_that(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a"], 2: ["b"]}), cohort_ids=["1"]).ok()
    done = run(braze, tmp_path, full({2: ["b"]}), cohort_ids=["1"]).ok()
    assert "no longer in the source" in done.rows["1"].note


def test_cohorts_without_members_are_enough(braze, tmp_path):
    lines = syncing("cohorts") + SCHEMAS + cohort(1, "Nobody yet", count=0) + state()
    run(braze, tmp_path, lines).ok()
    assert braze.members("1") == set()
