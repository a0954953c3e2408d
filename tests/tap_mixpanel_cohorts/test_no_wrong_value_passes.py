"""Odd values in Mixpanel's answers, in STATE and in the settings cost one thing, or are refused."""

from __future__ import annotations

import json
from typing import Any

import pytest

from braze_mixpanel.errors import SettingsError, TemporaryError
from tap_mixpanel_cohorts.query.query_moments import moments
from tap_mixpanel_cohorts.query.run import _read_list
from tap_mixpanel_cohorts.reading.selection import Named, choose
from tap_mixpanel_cohorts.tap import TapMixpanelCohorts

COHORT = {"id": 1000, "name": "VIP", "created": "2019-03-19 23:49:51", "count": 150}


def read(**changes: Any) -> dict[str, Any]:
    (record,) = _read_list(json.dumps([{**COHORT, **changes}]).encode())
    return record


@pytest.mark.parametrize("number", [1000, 1000.0, "1000"])
def test_all_writings_of_an_id_are_one(number) -> None:
    assert read(id=number)["id"] == 1000
    assert choose([Named("1000", "VIP")], [number]) == ({"1000"}, [])


@pytest.mark.parametrize("number", [None, True, 1000.5, [1000], {"id": 1}, "", " ", "nan", "null"])
def test_a_cohort_without_an_id_costs_that_cohort(number) -> None:
    listed = _read_list(json.dumps([{**COHORT, "id": number}, COHORT]).encode())
    assert [cohort["id"] for cohort in listed] == [1000]


@pytest.mark.parametrize("entry", [None, 5, "x", []])
def test_an_entry_that_is_no_cohort_costs_that_entry(entry) -> None:
    listed = _read_list(json.dumps([entry, COHORT]).encode())
    assert [cohort["id"] for cohort in listed] == [1000]


@pytest.mark.parametrize("body", [b"", b"{}", b'{"error": "x"}', b'[{"id": 10', b"<html>"])
def test_an_answer_that_is_no_list_is_asked_for_again(body) -> None:
    with pytest.raises(TemporaryError):
        _read_list(body)


@pytest.mark.parametrize(
    "created",
    [
        "2019-03-19 23:49:51",
        "2019-03-19T23:49:51Z",
        "20190319T234951",
        "2019-03-20T01:49:51+02:00",
        1553039391,
        "1553039391",
        1553039391000,
        1553039391.0,
    ],
)
def test_all_spellings_of_one_instant_are_one(created) -> None:
    assert read(created=created)["created"] == "2019-03-19T23:49:51Z"


@pytest.mark.parametrize("created", ["20190319234951", "yesterday", 5, True, [1], "0001-01-01"])
def test_what_is_no_time_is_left_out_and_named(created, caplog) -> None:
    assert read(created=created)["created"] is None
    assert "Cohort 1000: created is left out" in caplog.text


@pytest.mark.parametrize(
    ("count", "taken"),
    [(2, 2), (2.0, 2), ("2", 2), ("2.0", 2), (2.5, None), (True, None), (-1, None), ("x", None)],
)
def test_a_count_is_taken_where_it_is_exact(count, taken) -> None:
    assert read(count=count)["count"] == taken


def test_moments_in_a_state_that_are_none_cost_that_moment() -> None:
    assert moments([1, "x", None, 2.5, True]) == {"0": 1.0, "3": 2.5}
    assert moments({"1000": 5, "1001": "soon"}) == {"1000": 5.0}
    for nothing in (None, "x", 5):
        assert moments(nothing) == {}


@pytest.mark.parametrize(
    "maps",
    [
        {"cohort_member": {"distinct_id": None}},
        {"cohort_members": {"distinct_di": None}},
        {"copy": {"__source__": "nowhere"}},
        {"cohort_members": {"$email": "__NULL__"}},
    ],
    ids=str,
)
def test_a_map_that_matches_nothing_is_refused_before_a_record(maps, capfd) -> None:
    tap = TapMixpanelCohorts(config={"api_secret": "secret", "stream_maps": maps})
    with pytest.raises(SettingsError, match="stream_maps"):
        tap.sync_all()
    assert '"RECORD"' not in capfd.readouterr().out
