"""The fast lane gives the same bytes as the general way, or leaves the record to it."""

from __future__ import annotations

import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_mixpanel.mapping.currents import (
    TEST_EVENT_CHOICES,
    CurrentsMapper,
    documented_mapping,
)
from target_mixpanel.mapping.event import Event
from target_mixpanel.mapping.fast_lane import fast_lane_for
from target_mixpanel.mapping.placeholders import PLACEHOLDER_ID
from target_mixpanel.mapping.rules import MAX_SECONDS_AHEAD, check_event, check_size
from tests.currents_generator import event_types, records
from tests.target_mixpanel.harness import TIME, dry_run_events, open_record, record, run, schema
from tests.target_mixpanel.mapping.every_field import record_with_every_field
from tests.target_mixpanel.mapping.test_placeholders import PLACEHOLDERS

NOW = TIME + 10_000_000  # later than anything the generator makes
EARLIEST = 1_262_304_000
DOCUMENTED = [name for name, entry in documented_mapping().items() if "fields" in entry]


def general_way(mapper: CurrentsMapper, values: dict) -> bytes | None:
    event = mapper(values)
    if not isinstance(event, Event) or check_event(event, now=NOW, min_event_time=EARLIEST):
        return None
    body = msgspec.json.encode(event)
    return None if check_size(event.event, len(body)) else body


def fast_way(mapper: CurrentsMapper, values: dict, *, whole_messages: bool) -> bytes | None:
    line = json.dumps({"type": "RECORD", "record": values} if whole_messages else values).encode()
    prepared, others = fast_lane_for(mapper).prepare(
        [line],
        whole_messages=whole_messages,
        earliest=EARLIEST,
        latest=NOW + MAX_SECONDS_AHEAD,
    )
    assert len(prepared.bodies) + len(others) == 1
    assert prepared.lines + others == [line]
    return prepared.bodies[0] if prepared.bodies else None


@pytest.mark.parametrize("whole_messages", [True, False])
@pytest.mark.parametrize("test_events", ["skip", "send"])
@pytest.mark.parametrize("event_type", DOCUMENTED)
def test_every_documented_type_comes_out_byte_for_byte_the_same(
    event_type: str,
    test_events: str,
    whole_messages: bool,  # noqa: FBT001
) -> None:
    mapper = CurrentsMapper(event_type, project_token="token", test_events=test_events)
    ordinary = [record_with_every_field(event_type), *records(event_type, 30, seed=1)]
    taken = 0
    for values in ordinary:
        fast = fast_way(mapper, values, whole_messages=whole_messages)
        if fast is not None:
            assert fast == general_way(mapper, values)
            taken += 1
    assert taken >= 20, "the ordinary record should go the fast lane"


ODD = (
    st.none()
    | st.text(max_size=5)
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.booleans()
    | st.lists(st.integers() | st.none() | st.text(max_size=2), max_size=3)
    | st.just(["x"] * 255)
    | st.dictionaries(st.text(max_size=2), st.integers(), max_size=2)
)
CUSTOM_TEXT = st.text(max_size=8) | st.recursive(
    st.none() | st.integers() | st.text(max_size=3) | st.floats(allow_nan=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
).map(json.dumps)


@given(
    event_type=st.sampled_from(DOCUMENTED),
    test_events=st.sampled_from(TEST_EVENT_CHOICES),
    changes=st.dictionaries(
        st.sampled_from(
            ["id", "time", "external_user_id", "name", "device_model", "price", "app_id", "new"]
        ),
        ODD
        | st.sampled_from(["external_user_id", PLACEHOLDER_ID])
        | st.sampled_from(["", "anon", "NULL", "0", "a" * 37, TIME * 1000, NOW + 3601, 1]),
        max_size=3,
    ),
    properties=CUSTOM_TEXT,
)
def test_odd_records_are_the_same_too_or_left_to_the_general_way(
    event_type: str, test_events: str, changes: dict, properties: str
) -> None:
    values = {**open_record(1), "name": "n", "properties": properties, **changes}
    values = json.loads(json.dumps(values).replace("NaN", "null").replace("Infinity", "9"))
    mapper = CurrentsMapper(event_type, test_events=test_events)
    fast = fast_way(mapper, values, whole_messages=True)
    if fast is not None:
        assert fast == general_way(mapper, values)


def test_types_outside_the_mapping_and_all_fields_have_no_fast_lane() -> None:
    assert fast_lane_for(CurrentsMapper("users.messages.email.Retry")) is None
    assert fast_lane_for(CurrentsMapper("users.messages.email.Open", property_set="all")) is None


@pytest.mark.parametrize("test_events", ["skip", "send"])
def test_a_whole_run_is_the_same_with_and_without_it(tmp_path, monkeypatch, test_events) -> None:
    source = b""
    for event_type in event_types():
        stream = event_type.lower().replace(".", "_")
        source += schema(stream)
        source += b"".join(record(values, stream) for values in records(event_type, 5, seed=2))
        source += b"".join(record(open_record(3, **fields), stream) for fields in PLACEHOLDERS)
    options = {"dry_run": True, "max_rejected_ratio": 1, "test_events": test_events}
    run(source, None, tmp_path / "fast", **options)
    monkeypatch.setattr("target_mixpanel.sinks.fast_lane_for", lambda _: None)
    run(source, None, tmp_path / "slow", **options)

    def in_order(folder):
        return sorted(dry_run_events(folder), key=json.dumps)

    events = in_order(tmp_path / "fast")
    assert events == in_order(tmp_path / "slow") != []
    placeholders = [one for one in events if "external_user_id" in str(one["properties"])]
    assert bool(placeholders) == (test_events == "send")


@pytest.mark.parametrize(
    ("stream", "event_type"),
    [
        ("users_behaviors_customevent", "users.behaviors.CustomEvent"),
        ("users_messages_email_open", "users.messages.email.Open"),
    ],
)
def test_an_event_whose_name_was_taken_away_is_refused_on_either_way(
    tmp_path, stream, event_type
) -> None:
    source = schema(stream) + record(open_record(1, name=None), stream)
    result = run(source, None, tmp_path, dry_run=True, event_names={event_type: ""})
    assert dry_run_events(tmp_path) == []
    assert result.account.rejected == {("", "no event name"): 1}
