"""How a source says that somebody is no member: what counts as true, as false, as neither."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import InputError
from target_braze_cohorts.intake.removal_flag import is_removal
from tests.target_braze_cohorts.harness import LENIENT, SCHEMAS, activate, member, run, state

CHANGES = {"changes_stream": True, **LENIENT}
NO_VALUE = [None, "", "  ", "null", "NULL", "None", "NaN", "NaT"]


@pytest.mark.parametrize("value", [True, 1, 1.0, "true", "True ", "T", "yes", "Y", "1", "1.0"])
def test_these_take_a_member_out(value):
    assert is_removal({"should_remove": value}, "people")


@pytest.mark.parametrize(
    "value", [*NO_VALUE, False, 0, 0.0, "false ", "f", "F", "no", "N", "0", "0.0", "FALSE"]
)
def test_these_do_not(value):
    assert not is_removal({"should_remove": value}, "people")


@pytest.mark.parametrize("value", ["2026-01-01", "2026-01-01T00:00:00Z", 1764000000, "deleted"])
def test_any_time_of_deletion_takes_a_member_out(value):
    assert is_removal({"_sdc_deleted_at": value, "should_remove": False}, "people")


@pytest.mark.parametrize("value", NO_VALUE)
def test_no_time_of_deletion_leaves_a_member_in(value):
    assert not is_removal({"_sdc_deleted_at": value}, "people")


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("maybe", "text"),
        ("u7", "text"),
        (2, "number"),
        (0.5, "number"),
        ([], "list"),
        ({}, "object"),
    ],
)
def test_anything_else_is_refused_without_telling_it(value, kind):
    with pytest.raises(InputError) as caught:
        is_removal({"should_remove": value, "distinct_id": "u7"}, "people")
    message = str(caught.value)
    assert "stream people" in message
    assert "should_remove" in message
    assert kind in message
    assert "u7" not in message


def test_a_flag_that_cannot_be_read_removes_nobody(braze, tmp_path):
    run(braze, tmp_path, SCHEMAS + member(1, "a") + member(1, "b"), **CHANGES).ok()
    lines = SCHEMAS + member(1, "a", should_remove=True) + member(1, "b", should_remove="perhaps")
    done = run(braze, tmp_path, lines + state(bookmark=2), **CHANGES)
    assert isinstance(done.error, InputError)
    assert braze.members("1") == {"a", "b"}
    assert done.stdout == ""


def test_a_column_that_says_no_in_words_keeps_a_full_list_whole(braze, tmp_path):
    lines = SCHEMAS + member(1, "a", should_remove="no") + member(1, "b", should_remove="N")
    run(braze, tmp_path, lines + activate()).ok()
    assert braze.members("1") == {"a", "b"}
