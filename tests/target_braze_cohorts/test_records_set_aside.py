"""A record that cannot be read costs that person's news: nobody leaves a list for it."""

from __future__ import annotations

import json

import pytest

from braze_mixpanel.errors import InputError
from tests.target_braze_cohorts.harness import (
    LENIENT,
    SCHEMAS,
    cohort,
    full,
    line,
    member,
    record,
    run,
    schema,
    state,
)

MANY = b"[" + b",".join([b"{}"] * 500_001) + b"]"
DEEP = b"[" * 600_000 + b"]" * 600_000
SAME = {"cohort_members": {"distinct_id": "distinct_id"}}
FAILING = {"cohort_members": {"distinct_id": "'id-' + distinct_id[3]"}}


def large(cohort_id: int, who: str, value: bytes = MANY, stream: str = "cohort_members") -> bytes:
    record = b'{"cohort_id":%d,"distinct_id":"%s","x":%s}' % (cohort_id, who.encode(), value)
    return b'{"type":"RECORD","stream":"%s","record":%s}\n' % (stream.encode(), record)


@pytest.mark.parametrize("maps", [{}, SAME], ids=["no maps", "maps"])
@pytest.mark.parametrize("value", [MANY, DEEP], ids=["many", "deep"])
def test_a_record_too_large_to_be_read_lies_in_the_dead_letter_and_the_others_are_delivered(
    braze, tmp_path, value, maps
) -> None:
    lines = SCHEMAS + member(1, "a") + large(1, "b", value) + member(1, "c") + cohort(1, "VIP", 3)
    path = tmp_path / "dead"
    ways = {"stream_maps": maps, "dead_letter_path": str(path)}
    done = run(braze, tmp_path, lines + state(bookmark=9), **ways).ok()
    assert braze.members("1") == {"a", "c"}
    assert done.rows["1"].counts.received - done.rows["1"].counts.without_identifier in {2, 3}
    assert json.loads(done.stdout) == {"bookmark": 9}
    (dead,) = path.iterdir()
    _, kept = dead.read_bytes().splitlines()
    assert b'"too large"' in kept
    assert value in kept


@pytest.mark.parametrize("value", [MANY, DEEP], ids=["cohort known", "cohort unknown"])
def test_a_known_person_whose_record_cannot_be_read_stays(braze, tmp_path, value) -> None:
    run(braze, tmp_path, full({1: ["a", "b", "c"], 2: ["d"]})).ok()
    lists = SCHEMAS + member(1, "a") + large(1, "b", value) + member(2, "d")
    ways = {**LENIENT, "dead_letter_path": str(tmp_path / "dead")}
    done = run(braze, tmp_path, lists + cohort(1, "One", 2) + cohort(2, "Two", 1), **ways).ok()
    assert braze.members("1") == {"a", "b", "c"}
    assert "adds only, as records were set aside" in done.rows["1"].note
    assert done.rows["2"].note == ""


def test_beside_a_change_that_cannot_be_read_the_others_leave(braze, tmp_path) -> None:
    way = {"changes_stream": True, **LENIENT, "dead_letter_path": str(tmp_path / "dead")}
    run(braze, tmp_path, SCHEMAS + member(1, "a") + member(1, "b"), **way).ok()
    gone = member(1, "a", should_remove=True)
    run(braze, tmp_path, SCHEMAS + large(1, "x") + gone, **way).ok()
    assert braze.members("1") == {"b"}


def test_a_large_record_of_a_stream_without_a_role_costs_nothing(braze, tmp_path) -> None:
    unused = schema("revenue", "amount") + large(1, "b", stream="revenue")
    done = run(braze, tmp_path, unused + full({1: ["a"]})).ok()
    assert braze.members("1") == {"a"}
    assert done.dead == []


def test_a_list_whose_count_includes_a_record_that_a_map_cannot_take_is_whole(
    braze, tmp_path, caplog
) -> None:
    lists = SCHEMAS + member(2, "id-1") + member(2, "x") + cohort(2, "Two", 2)
    done = run(braze, tmp_path, lists + state(bookmark=9), stream_maps=FAILING).ok()
    assert json.loads(done.stdout) == {"bookmark": 9}
    assert done.rows["2"].counts.without_identifier == 0
    assert "records set aside: 1" in done.rows["2"].note
    assert "that a stream map cannot take: 1." in caplog.text


def test_where_unread_records_leave_a_list_without_proof_the_last_line_says_so(
    braze, tmp_path
) -> None:
    maps = {"cohorts": {"name": "name[3]"}}
    lists = SCHEMAS + member(1, "a") + member(2, "b") + cohort(1, "Long", 1) + cohort(2, "x", 1)
    done = run(braze, tmp_path, lists + state(bookmark=9), stream_maps=maps)
    assert isinstance(done.error, InputError)
    assert "1 of the input's records cannot be read" in str(done.error)
    assert "Did the tap end early" not in str(done.error)
    assert done.stdout == ""
    assert braze.members("1") == {"a"}


def test_without_such_records_the_last_line_asks_for_the_tap(braze, tmp_path) -> None:
    done = run(braze, tmp_path, SCHEMAS + member(1, "a") + cohort(1, "One", 2))
    assert "Did the tap end early" in str(done.error)


def test_a_profile_that_a_map_cannot_take_is_named_as_the_cause(braze, tmp_path) -> None:
    way = {
        "external_id_property": "external_id",
        "stream_maps": {"engage": {"external_id": "external_id[2]"}},
    }
    profiles = schema("engage", "distinct_id", "external_id")
    profiles += record("engage", distinct_id="a", external_id="eee")
    profiles += record("engage", distinct_id="b", external_id="e")
    lists = SCHEMAS + member(1, "a") + member(1, "b") + cohort(1, "One", 2)
    done = run(braze, tmp_path, profiles + lists + line({"type": "STATE", "value": {}}), **way)
    assert "1 of the input's records cannot be read" in str(done.error)
    assert braze.members("1") == {"e"}
