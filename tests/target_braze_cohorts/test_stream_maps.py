"""Mistakes in stream maps and in messages: one line, no stack trace, nobody removed."""

from __future__ import annotations

import pytest

from braze_mixpanel.errors import InputError, SettingsError
from tests.target_braze_cohorts.harness import SCHEMAS, full, line, member, run, schema, state


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
