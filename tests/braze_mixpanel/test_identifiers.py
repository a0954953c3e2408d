"""One id has one text, however JSON writes it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braze_mixpanel.identifiers import exact_count, id_text, is_meaningless
from target_braze_cohorts.intake.identity import id_of
from target_mixpanel.mapping.currents import CurrentsMapper
from target_mixpanel.mapping.other_streams import OtherStreamMapper
from target_mixpanel.mapping.rules import check_event

TIME = 1_790_000_000
NO_IDS = [True, False, {}, {"$oid": "a"}, [], ["a"], 12.5, float("nan"), float("inf"), 1e300]


def order(customer: object, number: object = "a"):
    setting = {"event": "Order", "distinct_id": "customer", "time": "at", "insert_id": "id"}
    mapper = OtherStreamMapper("orders", setting, schema={"properties": {}}, key_properties=())
    return mapper({"id": number, "customer": customer, "at": TIME})


def opened(customer: object, number: object = "a"):
    mapper = CurrentsMapper("users.messages.email.Open")
    return mapper({"id": number, "external_user_id": customer, "time": TIME})


@pytest.mark.parametrize("written", ["1000", "1000.0", "1e3", "1.0E+3", "10.00e2"])
def test_all_writings_of_a_number_are_one_id_in_both_targets(written: str) -> None:
    value = json.loads(written)
    assert id_of(value) == "1000"
    for event in (order(value, value), opened(value, value)):
        assert event.properties["distinct_id"] == "1000"
        assert event.properties["$insert_id"] == "1000"


@given(st.integers())
def test_integers_of_any_size_are_exact(number: int) -> None:
    assert id_text(number) == str(number)


@given(st.integers(-(2**53), 2**53))
def test_an_integer_and_its_float_are_one_id(number: int) -> None:
    assert id_text(float(number)) == id_text(number)


@pytest.mark.parametrize("value", NO_IDS)
def test_other_values_are_no_ids_in_either_target(value: object) -> None:
    assert id_of(value) is None
    events = [order(value), opened(value), opened("c", value)]
    # A fraction is nobody, but names an event of another tap.
    events += [] if isinstance(value, float) else [order("c", value)]
    for event in events:
        rejected = check_event(event, now=TIME, min_event_time=0)
        assert rejected is not None
        assert rejected.reason.endswith("not allowed")


@pytest.mark.parametrize("blank", [None, "", " ", "\t\n", "\u00a0"])
def test_blank_text_is_no_id(blank: object) -> None:
    assert id_of(blank) is None
    assert order(blank).properties["distinct_id"] == ""
    assert order("c", blank).properties["$insert_id"] is None
    assert opened(blank).reason == "anonymous"


@pytest.mark.parametrize("word", ["nan", "NaN", "null", "None", "undefined", "NIL", "<NA>", "NaT"])
def test_words_that_mean_nothing_are_refused_in_both_targets(word: str) -> None:
    assert is_meaningless(word)
    assert id_of(word) is None
    for event in (order(word), opened(word)):
        rejected = check_event(event, now=TIME, min_event_time=0)
        assert rejected is not None
        assert rejected.reason == "distinct_id not allowed"


@pytest.mark.parametrize("text", ["Nancy", "nullable", "none@example.test", "007", " 7"])
def test_texts_that_only_look_alike_are_ids(text: str) -> None:
    assert id_of(text) == text


def test_parts_of_a_key_are_one_however_they_are_written() -> None:
    setting = {"event": "Order", "time": "at"}
    mapper = OtherStreamMapper(
        "orders", setting, schema={"properties": {}}, key_properties=("id", "line")
    )
    one, other = (
        mapper({"id": number, "line": line, "at": TIME}).properties["$insert_id"]
        for number, line in ((1, 2), (1.0, 2.0))
    )
    assert one == other


@pytest.mark.parametrize("value", [2, 2.0, "2", " 2 ", "2.0", "2.", "+2", "02"])
def test_exact_counts_are_read(value: object) -> None:
    assert exact_count(value) == 2


@pytest.mark.parametrize(
    "value", [None, True, -1, 2.5, "2.5", "-1", "two", "", "1,000", "1e3", [], {}, float("nan")]
)
def test_other_counts_are_refused(value: object) -> None:
    assert exact_count(value) is None
