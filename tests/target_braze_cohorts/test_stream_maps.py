"""Mistakes in stream maps and in messages: one line, no stack trace, nobody removed."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import InputError, SettingsError
from tests.target_braze_cohorts.harness import (
    SCHEMAS,
    activate,
    full,
    line,
    member,
    run,
    schema,
    state,
)


def maps(**members):
    return {"stream_maps": {"cohort_members": members}}


@pytest.mark.parametrize(
    "way",
    [
        pytest.param(maps(distinct_id="int(distinct_id)"), id="fails on a value"),
        pytest.param(maps(distinct_id="no_such_field"), id="unknown name"),
        pytest.param(maps(distinct_id="sha256("), id="no expression"),
    ],
)
def test_a_map_that_cannot_be_used_is_reported_in_one_line(braze, tmp_path, way):
    done = run(braze, tmp_path, full({1: ["anna@example.com"]}), **way)
    assert isinstance(done.error, SettingsError)
    assert "stream_maps" in str(done.error)
    assert "\n" not in str(done.error)
    assert "anna@example.com" not in str(done.error)
    assert (done.stdout, braze.requests) == ("", [])


def test_fields_that_become_one_when_flattened_are_reported_in_one_line(braze, tmp_path):
    nested = {"type": "object", "properties": {"b": {"type": "string"}}}
    body = {"properties": {"a": nested, "a__b": {"type": "string"}}}
    lines = SCHEMAS + line({"type": "SCHEMA", "stream": "cohort_members", "schema": body})
    done = run(braze, tmp_path, lines, flattening_enabled=True, flattening_max_depth=1)
    assert isinstance(done.error, SettingsError)
    assert "flattening" in str(done.error)


def test_a_map_that_is_good_is_used(braze, tmp_path):
    run(braze, tmp_path, full({1: ["a"]}), **maps(distinct_id="'id-' + distinct_id")).ok()
    assert braze.members("1") == {"id-a"}


@pytest.mark.parametrize(
    ("expression", "person"),
    [
        ("'id-' + distinct_id[3]", "x"),
        ("'id-' + str(int(distinct_id[-1:]))", "person-x"),
        ("distinct_id + distinct_id.replace('x', '') * 20000", "xabcdefgh"),
    ],
)
def test_a_record_that_its_map_cannot_take_costs_that_member_only(
    braze, tmp_path, expression, person
):
    lines = full({2: ["id-1" if "id" in expression[:3] else "x", person]})
    done = run(braze, tmp_path, lines, **maps(distinct_id=expression)).ok()
    assert len(braze.members("2")) == 1
    assert done.rows["2"].counts.received == 2
    assert done.rows["2"].counts.without_identifier == 0
    assert "records set aside: 1" in done.rows["2"].note
    assert (person, 2) in [
        (d["record"]["distinct_id"], d["record"]["cohort_id"]) for d in done.dead
    ]
    assert {dead["stream"] for dead in done.dead} == {"cohort_members"}
    assert all(f" {person} " not in dead["message"] for dead in done.dead)


def test_the_log_says_once_why_a_map_cannot_take_records(braze, tmp_path, caplog):
    lines = full({2: ["1", "x", "y"]})
    run(braze, tmp_path, lines, **maps(distinct_id="str(int(distinct_id))"))
    said = [one.getMessage() for one in caplog.records if one.levelname == "WARNING"]
    causes = [text for text in said if "str(int(distinct_id))" in text]
    assert len(causes) == 1
    assert "ValueError" in causes[0]


def test_a_cohort_whose_only_record_cannot_be_mapped_has_not_vanished(braze, tmp_path):
    run(braze, tmp_path, full({1: ["id-1"], 2: ["id-2"]})).ok()
    lines = SCHEMAS + member(1, "id-1") + member(2, "x") + activate() + activate("cohorts")
    way = {**maps(distinct_id="'id-' + distinct_id[3]"), "clear_vanished_cohorts": True}
    run(braze, tmp_path, lines, max_removal_ratio=1, **way)
    assert braze.members("2") == {"id-2"}


@pytest.mark.parametrize(
    "message",
    [
        {"type": "STATE", "value": None},
        {"type": "STATE", "value": [1]},
        {"type": "STATE", "value": "done"},
        {"type": "SCHEMA", "stream": "cohort_members", "schema": None},
        {"type": "SCHEMA", "stream": "cohort_members", "schema": {}},
        {"type": "SCHEMA", "stream": "cohort_members", "schema": {"properties": None}},
    ],
)
def test_a_message_without_its_content_is_reported_and_removes_nobody(braze, tmp_path, message):
    run(braze, tmp_path, full({1: ["a", "b"]})).ok()
    lines = schema("cohort_members", "cohort_id") + member(1, "c") + line(message)
    done = run(braze, tmp_path, lines + state(bookmark=1))
    assert isinstance(done.error, InputError)
    assert message["type"] in str(done.error)
    assert braze.members("1") == {"a", "b", "c"}
    assert done.stdout == ""
