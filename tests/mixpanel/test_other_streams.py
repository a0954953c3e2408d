"""Streams of other taps, as the setting `streams` describes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_mixpanel.other_streams import OtherStreamMapper, epoch_time

SETTING = {"event": "Order Placed", "distinct_id": "customer", "time": "placed_at"}


def mapper(setting=None, *, fields=(), key_properties=("id",), **more) -> OtherStreamMapper:
    return OtherStreamMapper(
        "orders",
        {**SETTING, **(setting or {})},
        fields=fields,
        key_properties=key_properties,
        **more,
    )


def test_named_fields_become_the_event_and_the_rest_its_properties() -> None:
    record = {
        "id": "o-1",
        "customer": 42,
        "placed_at": "2026-11-23T10:00:00Z",
        "total": 9.5,
        "coupon": None,
        "lines": [{"sku": "a"}],
    }
    event = mapper({"insert_id": "id"}, project_token="t")(record)
    assert event.event == "Order Placed"
    assert event.properties == {
        "time": 1_795_428_000,
        "distinct_id": "42",
        "$insert_id": "o-1",
        "ip": 0,
        "token": "t",
        "total": 9.5,
        "lines": [{"sku": "a"}],
    }


def test_the_name_can_come_from_a_field() -> None:
    record = {"id": "1", "kind": "Refund", "placed_at": 1}
    assert mapper({"event": "kind"}, fields=["id", "kind"])(record).event == "Refund"


def test_without_insert_id_the_key_properties_identify_the_event() -> None:
    one, same, other = (
        mapper(key_properties=["id", "line"])({"id": 1, "line": line}).properties["$insert_id"]
        for line in (1, 1, 2)
    )
    assert one == same != other


def test_without_any_key_the_whole_record_does() -> None:
    keyless = mapper(key_properties=[])
    ids = [keyless({"a": 1, "b": 2}), keyless({"b": 2, "a": 1}), keyless({"a": 1, "b": 3})]
    first, reordered, other = (event.properties["$insert_id"] for event in ids)
    assert first == reordered != other


def test_a_record_without_its_key_is_left_for_the_rules_to_refuse() -> None:
    assert mapper()({"id": None}).properties["$insert_id"] is None


@given(st.text(min_size=1) | st.integers() | st.floats(allow_nan=False))
def test_any_key_becomes_an_id_that_mixpanel_takes(key) -> None:
    insert_id = mapper()({"id": key}).properties["$insert_id"]
    assert re.fullmatch(r"[A-Za-z0-9-]{1,36}", insert_id)
    assert insert_id == mapper()({"id": key}).properties["$insert_id"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_790_000_000, 1_790_000_000),
        (1_790_000_000_123, 1_790_000_000_123),
        (1.5, 1.5),
        ("2026-11-23T10:00:00Z", 1_795_428_000),
        ("2026-11-23T10:00:00", 1_795_428_000),
        ("2026-11-23 12:00:00+02:00", 1_795_428_000),
        ("2026-11-23", 1_795_392_000),
        ("2026-11-23T10:00:00.250Z", 1_795_428_000_250),
        ("yesterday", None),
        (None, None),
        (True, None),
        (float("nan"), None),
    ],
)
def test_times_are_read_as_numbers_or_iso_8601(value, expected) -> None:
    assert epoch_time(value) == expected
