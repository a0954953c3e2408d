"""Mixpanel's limits for one event, at their edges."""

from __future__ import annotations

import math

import pytest

from target_mixpanel.mapping.event import Event, RejectedEvent, SkippedEvent
from target_mixpanel.mapping.rules import FORBIDDEN_IDS, MAX_EVENT_BYTES, check_event, check_size

NOW = 1_790_000_000
SINCE_2010 = 1_262_304_000
SINCE_1971 = 31_536_000


def verdict(min_event_time: float = SINCE_2010, **properties):
    given = {"time": NOW, "distinct_id": "u1", "$insert_id": "e1", **properties}
    return check_event(Event("Opened", given), now=NOW, min_event_time=min_event_time)


def reason(**properties) -> str | None:
    found = verdict(**properties)
    return None if found is None else found.reason


def nested(depth: int):
    return {"k": nested(depth - 1)} if depth else "leaf"


def test_an_ordinary_event_passes() -> None:
    assert verdict() is None


@pytest.mark.parametrize("time", [NOW + 3600, SINCE_2010, NOW * 1000, NOW + 0.5])
def test_times_up_to_an_hour_ahead_pass_in_seconds_or_milliseconds(time) -> None:
    assert verdict(time=time) is None


@pytest.mark.parametrize(
    ("time", "expected"),
    [
        (None, "no time"),
        ("2026-01-01", "no time"),
        (True, "no time"),
        (NOW + 3601, "time in the future"),
        ((NOW + 3601) * 1000, "time in the future"),
        (math.inf, "time in the future"),
    ],
)
def test_other_times_are_refused(time, expected) -> None:
    found = verdict(time=time)
    assert isinstance(found, RejectedEvent)
    assert (found.reason, found.field) == (expected, "time")


def test_events_before_min_event_time_are_skipped_not_refused() -> None:
    assert verdict(time=SINCE_2010 - 1) == SkippedEvent("Opened", "before min_event_time")


def test_a_lower_min_event_time_ends_at_1971() -> None:
    assert verdict(time=SINCE_1971, min_event_time=0) is None
    found = verdict(time=SINCE_1971 - 1, min_event_time=0)
    assert isinstance(found, RejectedEvent)
    assert found.reason == "time before 1971"


@pytest.mark.parametrize("insert_id", ["a", "A" * 36, "0a1b-2c3d"])
def test_insert_ids_of_letters_digits_and_hyphens_pass(insert_id) -> None:
    assert verdict(**{"$insert_id": insert_id}) is None


@pytest.mark.parametrize("insert_id", ["", "A" * 37, "a_b", "ä", "a b", "a\n", 7])
def test_other_insert_ids_are_refused(insert_id) -> None:
    assert reason(**{"$insert_id": insert_id}) == "$insert_id not allowed"


def test_a_missing_insert_id_is_refused() -> None:
    assert reason(**{"$insert_id": None}) == "no id"


@pytest.mark.parametrize("word", sorted(FORBIDDEN_IDS))
def test_forbidden_words_are_refused_as_ids_in_any_case(word) -> None:
    assert reason(distinct_id=word.upper()) == "distinct_id not allowed"


def test_an_empty_distinct_id_passes() -> None:
    assert verdict(distinct_id="") is None


@pytest.mark.parametrize(("extra", "expected"), [(251, None), (252, "too many properties")])
def test_fewer_than_255_properties(extra, expected) -> None:
    assert reason(**{f"p{n}": n for n in range(extra)}) == expected


@pytest.mark.parametrize(("items", "expected"), [(254, None), (255, "array too long")])
def test_fewer_than_255_items_in_an_array_also_inside_objects(items, expected) -> None:
    assert reason(tags=[1] * items) == expected
    assert reason(deep={"tags": [{"more": [1] * items}]}) == expected


@pytest.mark.parametrize(("keys", "expected"), [(254, None), (255, "too many keys")])
def test_fewer_than_255_keys_in_an_object(keys, expected) -> None:
    assert reason(custom={str(n): n for n in range(keys)}) == expected


@pytest.mark.parametrize(("depth", "expected"), [(3, None), (4, "nested too deep")])
def test_objects_nest_three_deep(depth, expected) -> None:
    assert reason(custom=nested(depth)) == expected
    assert reason(custom=[nested(depth)]) == expected


def test_an_event_must_be_smaller_than_a_megabyte() -> None:
    assert check_size("Opened", MAX_EVENT_BYTES - 1) is None
    assert check_size("Opened", MAX_EVENT_BYTES).reason == "too large"
