"""Test events are skipped and counted, events of nobody are sent with an empty id."""

from __future__ import annotations

import pytest

from target_mixpanel.mapping.currents import TEST_EVENT, CurrentsMapper
from target_mixpanel.mapping.event import NOBODY, Event, SkippedEvent
from target_mixpanel.mapping.placeholders import PLACEHOLDER_ID, is_test_event
from tests.target_mixpanel.harness import open_record, record, run, schema

OPEN = "users.messages.email.Open"
UUID = "0a1b2c3d-0000-4000-8000-000000000001"
LANDING = "users.messages.landingpage.Impression"
PLACEHOLDERS = [
    {"external_user_id": "external_user_id"},
    {"external_user_id": f"external_user_id-{UUID}"},
    {"external_user_id": f"external_user_id{UUID.upper()}"},
    {"id": PLACEHOLDER_ID},
    {"id": PLACEHOLDER_ID, "external_user_id": None, "time": 2_033_802_504},
]


@pytest.mark.parametrize("fields", PLACEHOLDERS)
def test_placeholder_values_mark_a_test_event(fields):
    assert CurrentsMapper(OPEN)(open_record(1, **fields)) == SkippedEvent("Email Open", TEST_EVENT)


@pytest.mark.parametrize(
    "name", ["external_user_id_2", "my external_user_id", "external_user_id-x", "user", None, 7]
)
def test_a_similar_id_is_a_persons(name):
    assert not is_test_event("e1", name)


@pytest.mark.parametrize("fields", PLACEHOLDERS[:4])
def test_a_run_skips_test_events_and_the_setting_sends_them(mixpanel, tmp_path, fields):
    source = schema() + record(open_record(1, **fields)) + record(open_record(2))
    skipped = run(source, mixpanel, tmp_path).account.skipped
    assert (skipped, mixpanel.count) == ({("Email Open", TEST_EVENT): 1}, 1)
    sent = run(source, mixpanel, tmp_path, test_events="send").account
    assert (sent.skipped.total(), sent.imported.total()) == (0, 2)


@pytest.mark.parametrize("nobody", [None, ""])
def test_events_of_nobody_have_an_empty_distinct_id_and_are_counted(mixpanel, tmp_path, nobody):
    source = schema() + record(open_record(1, external_user_id=nobody))
    result = run(source, mixpanel, tmp_path, anonymous_events="nobody")
    (event,) = mixpanel.events()
    assert event["properties"]["distinct_id"] == ""
    assert result.account.remarks == {("Email Open", NOBODY): 1}


def test_a_landing_page_impression_has_no_user_and_goes_by_the_same_setting():
    values = {"id": "e1", "time": 1_790_000_000, "landing_page_id": "l"}
    assert isinstance(CurrentsMapper(LANDING)(values), SkippedEvent)
    event = CurrentsMapper(LANDING, anonymous_events="nobody")(values)
    assert isinstance(event, Event)
    assert event.properties["distinct_id"] == ""


@pytest.mark.parametrize("choice", ["nobody", "device_id", "braze_id"])
def test_a_landing_page_impression_is_nobodys_whatever_ids_of_a_device_it_has(choice):
    values = {"id": "e1", "time": 1_790_000_000, "user_id": "00000", "device_id": "none"}
    mapper = CurrentsMapper(LANDING, anonymous_events=choice)
    event = mapper(values)
    assert isinstance(event, Event)
    assert event.properties["distinct_id"] == ""
    assert "$device_id" not in event.properties
    assert mapper.remarks == [NOBODY]


def test_a_landing_page_impression_that_does_have_an_external_id_belongs_to_that_person():
    for choice in ("skip", "nobody", "device_id", "braze_id"):
        event = CurrentsMapper(LANDING, anonymous_events=choice)(open_record(1))
        assert isinstance(event, Event)
        assert event.properties["distinct_id"] == "user-1"
