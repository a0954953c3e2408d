"""One flaw costs that one thing: other writings of counts, marks and unused streams."""

from __future__ import annotations

import json

import pytest

from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    cohort,
    line,
    member,
    record,
    run,
)


def lists(count: object, *people: str) -> bytes:
    members = b"".join(member(1, who) for who in people)
    return SCHEMAS + record("cohorts", id=1, name="VIP", count=count) + members


@pytest.mark.parametrize("count", [2, 2.0, "2", "2.0", " 2 "])
def test_an_exact_count_in_any_writing_is_proof(braze, tmp_path, count) -> None:
    run(braze, tmp_path, lists(3, "u1", "u2", "u3"), **LENIENT).ok()
    done = run(braze, tmp_path, lists(count, "u1", "u2"), **LENIENT).ok()
    assert done.rows["1"].done.removed == 1


@pytest.mark.parametrize("count", ["two", 2.5, -2, True, [2], {"n": 2}])
def test_a_count_that_cannot_be_used_is_named(braze, tmp_path, count) -> None:
    run(braze, tmp_path, lists(3, "u1", "u2", "u3"), **LENIENT).ok()
    done = run(braze, tmp_path, lists(count, "u1", "u2"), **LENIENT)
    assert done.rows["1"].done.removed == 0
    assert "count is not a whole number" in done.rows["1"].note
    assert "count" in str(done.error)


@pytest.mark.parametrize("word", ["nan", "NaN", "null", "None", "undefined", " "])
def test_ids_that_mean_nothing_are_counted_and_not_delivered(braze, tmp_path, word) -> None:
    done = run(braze, tmp_path, lists(1, "u1") + member(1, word)).ok()
    assert done.rows["1"].counts.without_identifier == 1
    assert done.rows["1"].done.added == 1
    assert [message["reason"] for message in done.dead] == ["without_identifier"]


@pytest.mark.parametrize(
    "part",
    [
        {"schema": {}},
        {"schema": {"properties": None}},
        {"schema": {"properties": []}},
        {"schema": None},
        {"schema": {"properties": {}}, "key_properties": "id"},
    ],
    ids=json.dumps,
)
def test_a_wrong_schema_of_an_unused_stream_costs_nothing(braze, tmp_path, part) -> None:
    unused = line({"type": "SCHEMA", "stream": "revenue", "key_properties": [], **part})
    records = record("revenue", amount=1)
    done = run(braze, tmp_path, unused + records + lists(1, "u1")).ok()
    assert done.rows["1"].done.added == 1


@pytest.mark.parametrize(
    "maps", [{"cohorts": {"more": "1"}}, {"all": {"__source__": "cohort*", "more": "1"}}], ids=str
)
def test_a_stream_without_a_map_is_unused_although_others_have_one(braze, tmp_path, maps) -> None:
    unused = line({"type": "SCHEMA", "stream": "revenue", "key_properties": [], "schema": {}})
    done = run(braze, tmp_path, unused + lists(1, "u1"), stream_maps=maps).ok()
    assert done.rows["1"].done.added == 1


@pytest.mark.parametrize("place", [0, 1, 2, 3])
@pytest.mark.parametrize("marks", [1, 2, 3])
def test_byte_order_marks_are_passed_over_wherever_they_stand(
    braze, tmp_path, place, marks
) -> None:
    lines = lists(2, "u1", "u2").splitlines(keepends=True)
    lines[place] = b"\xef\xbb\xbf" * marks + lines[place]
    assert run(braze, tmp_path, b"".join(lines)).ok().rows["1"].done.added == 2


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_named(braze, tmp_path, encoding) -> None:
    text = (SCHEMAS + cohort(1, "VIP", 0)).decode().encode(encoding)
    assert "Line 1 of the input is UTF-16" in str(run(braze, tmp_path, text).error)


@pytest.mark.parametrize("encoding", ["utf-32", "utf-32-le", "utf-32-be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_utf_32_is_named(braze, tmp_path, encoding, mark) -> None:
    text = (mark + (SCHEMAS + cohort(1, "VIP", 0)).decode()).encode(encoding)
    assert "Line 1 of the input is UTF-32" in str(run(braze, tmp_path, text).error)
