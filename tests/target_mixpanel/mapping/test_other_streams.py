"""Streams of other taps, as the setting `streams` describes them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from braze_mixpanel.errors import SettingsError
from target_mixpanel.mapping.event import NOBODY
from target_mixpanel.mapping.other_streams import OtherStreamMapper
from tests.target_mixpanel.harness import STREAM, TIME, line, opens, run, schema, state
from tests.target_mixpanel.harness import record as record_of

SETTING = {"event": "Order Placed", "distinct_id": "customer", "time": "placed_at"}


def mapper(setting=None, *, fields=(), key_properties=("id",), **more) -> OtherStreamMapper:
    return OtherStreamMapper(
        "orders",
        {**SETTING, **(setting or {})},
        schema={"properties": {key: {} for key in fields}},
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
    record = {"id": "1", "kind": "Refund", "placed_at": 1, "customer": "c"}
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


@given(st.text(min_size=1).filter(str.strip) | st.integers() | st.floats(allow_nan=False))
def test_any_key_becomes_an_id_that_mixpanel_takes(key) -> None:
    insert_id = mapper()({"id": key}).properties["$insert_id"]
    assert re.fullmatch(r"[A-Za-z0-9-]{1,36}", insert_id)
    assert insert_id == mapper()({"id": key}).properties["$insert_id"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1_790_000_000, 1_790_000_000),
        (1_790_000_000_123, 1_790_000_000_123),
        (1_790_000_000.5, 1_790_000_000_500),
        (1.5, "1.5"),
        ("2026-11-23T10:00:00Z", 1_795_428_000),
        ("2026-11-23T10:00:00", 1_795_428_000),
        ("2026-11-23 12:00:00+02:00", 1_795_428_000),
        ("2026-11-23", 1_795_392_000),
        ("2026-11-23T10:00:00.250Z", 1_795_428_000_250),
        ("20230808120000Z", "20230808120000Z"),
        ("yesterday", "yesterday"),
        (None, None),
        (True, "True"),
        (float("nan"), "nan"),
    ],
)
def test_times_are_read_as_numbers_or_iso_8601_or_left_as_text(value, expected) -> None:
    event = mapper()({"id": "o-1", "placed_at": value, "customer": "c"})
    assert event.properties["time"] == expected
    assert type(event.properties["time"]) is type(expected)


def test_our_own_properties_win_over_fields_of_the_same_name_and_it_is_reported() -> None:
    mapping = mapper(project_token="ours")
    theirs = {"time": "12:30", "distinct_id": "x", "$insert_id": "same", "ip": "1.2", "token": "y"}
    event = mapping({"id": "o-1", "customer": "c", "placed_at": TIME, **theirs, "total": 3})
    assert event.properties == {
        "time": TIME,
        "distinct_id": "c",
        "$insert_id": mapping({"id": "o-1"}).properties["$insert_id"],
        "ip": 0,
        "token": "ours",
        "id": "o-1",
        "total": 3,
    }
    remark = "property {} of the record left out, the name is taken"
    assert mapping.remarks[: len(theirs)] == [remark.format(name) for name in theirs]


def test_a_field_that_is_one_of_the_four_parts_is_no_collision() -> None:
    mapping = mapper({"time": "time", "distinct_id": "distinct_id"})
    event = mapping({"id": "o-1", "time": TIME, "distinct_id": "c"})
    assert (event.properties["time"], event.properties["distinct_id"]) == (TIME, "c")
    assert mapping.remarks == []


@pytest.mark.parametrize("nobody", [None, ""])
def test_an_event_of_nobody_is_imported_and_told(mixpanel, tmp_path, nobody) -> None:
    record = {"id": "o-1", "placed_at": TIME, "customer": nobody}
    source = schema("orders") + record_of(record, "orders")
    result = run(source, mixpanel, tmp_path, streams={"orders": SETTING})
    assert mixpanel.events()[0]["properties"]["distinct_id"] == ""
    assert "distinct_id is empty" in result.account.table()


def test_the_events_of_a_stream_without_users_are_counted_as_nobodys_too() -> None:
    mapping = mapper({"event": "Order Placed", "time": "placed_at", "distinct_id": None})
    assert mapping({"id": "o-1", "placed_at": TIME}).properties["distinct_id"] == ""
    assert mapping.remarks == [NOBODY]


@pytest.mark.parametrize(
    ("time", "said"),
    [
        (None, "time is missing"),
        ("yesterday", "neither a number nor ISO 8601"),
        (True, "neither a number nor ISO 8601"),
        ([1], "neither a number nor ISO 8601"),
    ],
)
def test_a_time_that_cannot_be_read_is_reported_from_one_that_is_missing(
    mixpanel, tmp_path, time, said
) -> None:
    source = schema("orders") + record_of({"id": "1", "placed_at": time, "customer": "c"}, "orders")
    result = run(source, mixpanel, tmp_path, streams={"orders": SETTING})
    assert [said in dead["message"] for dead in result.dead] == [True]


ORDER = {"id": "o-1", "customer": "c", "placed_at": TIME}
DECLARED = {"id": {}, "customer": {}, "placed_at": {}, "kind": {}}


@pytest.mark.parametrize(
    "change", [{"distinct_id": "custommer"}, {"time": "placed"}, {"insert_id": "idd"}]
)
def test_a_misspelt_field_is_reported_before_any_event_of_the_stream(
    mixpanel, tmp_path, change
) -> None:
    (part, field) = next(iter(change.items()))
    source = schema("orders", **DECLARED) + record_of(ORDER, "orders") + state(1)
    result = run(source, mixpanel, tmp_path, streams={"orders": {**SETTING, **change}})
    assert isinstance(result.error, SettingsError)
    assert f"streams.orders.{part} names the field {field}" in str(result.error)
    assert "Its fields are id, customer, placed_at, kind." in str(result.error)
    assert (mixpanel.count, result.states) == (0, [])


@pytest.mark.parametrize(
    ("more", "record"),
    [
        ({"additionalProperties": True}, {}),
        ({"additionalProperties": {"type": "string"}}, {}),
        ({"patternProperties": {"^c": {}}}, {}),
        ({"properties": {}}, {}),
        ({}, {"undeclared": "c"}),
    ],
)
def test_a_field_that_the_schema_leaves_room_for_or_a_record_has_may_be_named(
    mixpanel, tmp_path, more, record
) -> None:
    message = {"type": "SCHEMA", "stream": "orders", "key_properties": ["id"]}
    source = line({**message, "schema": {"properties": DECLARED, **more}})
    source += record_of({**ORDER, **record}, "orders") + record_of({**ORDER, "id": "2"}, "orders")
    setting = {**SETTING, "distinct_id": "undeclared"}
    assert run(source, mixpanel, tmp_path, streams={"orders": setting}).error is None
    assert mixpanel.count == 2


@pytest.mark.parametrize(
    "kind", [{}, *({"kind": value} for value in (None, "", " ", ["a"], {"a": 1}, True))]
)
def test_a_record_without_an_event_name_is_rejected_with_the_reason(
    mixpanel, tmp_path, kind
) -> None:
    source = schema("orders", **DECLARED) + record_of({**ORDER, **kind}, "orders")
    source += record_of({**ORDER, "kind": 5}, "orders") + state(1)
    result = run(source, mixpanel, tmp_path, streams={"orders": {**SETTING, "event": "kind"}})
    assert result.error is None
    assert mixpanel.names() == {"5": 1}
    assert [(dead["reason"], dead["record"]) for dead in result.dead] == [
        ("no event name", {**ORDER, **kind})
    ]
    assert result.account.rejected == {("orders", "no event name"): 1}
    assert result.account.under_way == 0


def test_a_name_for_an_event_type_that_is_not_known_is_one_warning_and_an_error_at_the_end(
    mixpanel, tmp_path, caplog
) -> None:
    names = {
        "users.messages.email.Opn": "Opened",
        "users.messages.email.Click": "Clicked",
        "users.messages.pigeon.Sent": "Pigeon",
    }
    source = schema(STREAM) + opens(3)
    assert run(source, mixpanel, tmp_path, event_names=names).error is not None
    (warning,) = [r.getMessage() for r in caplog.records if "event_names" in r.getMessage()]
    assert "users.messages.email.Opn (did you mean users.messages.email.Open?)" in warning
    assert "users.messages.pigeon.Sent" in warning
    assert "users.messages.email.Click" not in warning
