"""Braze's documented mapping, type by type, and the general rules for everything else."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from braze_mixpanel.singer.currents_streams import stream_id
from target_mixpanel.mapping.currents import (
    UNPARSED,
    CurrentsMapper,
    documented_mapping,
    event_name,
    event_type_of_stream,
    find_unknown_types,
    name_in_documented_style,
)
from target_mixpanel.mapping.event import Event, SkippedEvent
from tests.currents_generator import event_types
from tests.target_mixpanel.mapping.every_field import record_with_every_field

FOLDER = Path(__file__).parent / "golden"
GOLDEN = json.loads((FOLDER / "documented_events.json").read_text())
GOLDEN_BY_RULES = json.loads((FOLDER / "undocumented_events.json").read_text())
NAMED_BY_HEADINGS = {
    "contentoptimizer.ComponentStore": "Content Optimizer Component Store Update",
    "users.canvas.costep.Conversion": "Canvas Content Optimizer Step Conversion",
    "users.canvas.costep.Send": "Canvas Content Optimizer Step Send",
    "users.messages.banner.Dismiss": "Banner Dismissal",
    "users.messages.email.Retry": "Email Retry",
    "users.messages.landingpage.Click": "Landing Page Click",
    "users.messages.landingpage.FormSubmission": "Landing Page Form Submission",
    "users.messages.landingpage.Impression": "Landing Page Impression",
    "users.messages.line.Retry": "LINE Retry",
    "users.messages.pushnotification.Retry": "Push Notification Retry",
    "users.messages.sms.Retry": "SMS Retry",
    "users.messages.survey.Response": "Survey Response",
    "users.messages.webhook.Retry": "Webhook Retry",
    "users.messages.whatsapp.Retry": "WhatsApp Retry",
}
"""The types that the newest glossary has headings for, and this mapping had no names."""
NEW_FIELDS = {
    "agentconsole.AgentExecuted": {"thinking_level"},
    "users.messages.banner.Dismiss": {"is_unique"},
    "users.messages.contentcard.Click": {"is_unique"},
    "users.messages.email.Click": {"send_time", "has_url_parameters", "link_aliasing_enabled"},
    "users.messages.email.Open": {"send_time"},
    "users.messages.whatsapp.Abort": {"message_extras"},
}
"""Some of the fields that versions 11 and 12 added."""
UNDOCUMENTED = sorted(set(event_types()) - set(GOLDEN))
HEADINGS_OF_THEIR_OWN = {"users.messages.banner.Dismiss", "contentoptimizer.ComponentStore"}
"""Types whose heading in Braze's glossary is not what the style makes of their name."""
RECORD = {"id": "e1", "time": 1_790_000_000, "external_user_id": "u1"}


def mapped(event_type: str, record: dict, **settings) -> Event:
    event = CurrentsMapper(event_type, **settings)(record)
    assert isinstance(event, Event)
    return event


def properties_of(event_type: str, settings: dict | None = None, **fields) -> dict:
    return mapped(event_type, {**RECORD, **fields}, **(settings or {})).properties


def test_all_84_documented_types_are_in_the_golden_file() -> None:
    assert len(GOLDEN) == 84
    assert sum(bool(entry.get("native")) for entry in documented_mapping().values()) == 54


@pytest.mark.parametrize("event_type", GOLDEN)
def test_a_record_with_every_field_becomes_exactly_the_documented_event(event_type: str) -> None:
    event = mapped(event_type, record_with_every_field(event_type), project_token="project-token")
    assert {"event": event.event, "properties": event.properties} == GOLDEN[event_type]


@pytest.mark.parametrize("event_type", UNDOCUMENTED)
def test_a_record_of_any_other_type_becomes_the_event_that_it_did_before(event_type: str) -> None:
    settings = {"project_token": "project-token", "anonymous_events": "nobody"}
    event = mapped(event_type, record_with_every_field(event_type), **settings)
    assert {"event": event.event, "properties": event.properties} == GOLDEN_BY_RULES[event_type]


@pytest.mark.parametrize("event_type", NAMED_BY_HEADINGS)
def test_the_14_types_with_a_heading_in_the_newest_glossary_are_named_by_it(event_type) -> None:
    assert GOLDEN_BY_RULES[event_type]["event"] == NAMED_BY_HEADINGS[event_type]


@pytest.mark.parametrize("event_type", NEW_FIELDS)
def test_the_fields_of_versions_11_and_12_are_sent(event_type: str) -> None:
    golden = {**GOLDEN, **GOLDEN_BY_RULES}[event_type]
    assert NEW_FIELDS[event_type] <= set(golden["properties"])


@pytest.mark.parametrize("event_type", UNDOCUMENTED)
def test_other_types_carry_all_their_fields_by_the_general_rules(event_type: str) -> None:
    record = record_with_every_field(event_type)
    expected = {
        {"device_model": "$device", "os_version": "$os", "content_card_id": "card_id"}.get(k, k)
        for k in record
    } - {"id", "external_user_id", "user_id", "timezone", "canvas_step_message_variation_id"}
    event = mapped(event_type, record, anonymous_events="braze_id") if "user_id" in record else None
    if event:
        assert set(event.properties) == expected | {
            "$insert_id",
            "distinct_id",
            "$partner_id",
            "ip",
        }


@pytest.mark.parametrize(
    ("event_type", "name"),
    [
        ("users.messages.email.Retry", "Email Retry"),
        ("users.messages.sms.Retry", "SMS Retry"),
        ("users.UserOrphan", "User Orphan"),
        ("users.messages.banner.Dismiss", "Banner Dismissal"),
        ("users.canvas.costep.Conversion", "Canvas Content Optimizer Step Conversion"),
        ("users.messages.landingpage.FormSubmission", "Landing Page Form Submission"),
        ("users.messages.survey.Response", "Survey Response"),
        ("users.campaigns.Abort", "Campaign Abort"),
        ("users.messages.pigeon.FeatherLost", "Pigeon Feather Lost"),
        ("users.behaviors.app.SessionStart", "Session Start"),
    ],
)
def test_types_outside_the_mapping_are_named_in_the_same_style(event_type: str, name: str) -> None:
    assert event_name(event_type) == name


@pytest.mark.parametrize("event_type", sorted(set(UNDOCUMENTED) - HEADINGS_OF_THEIR_OWN))
def test_names_written_down_for_undocumented_types_follow_the_style(event_type: str) -> None:
    assert event_name(event_type) == name_in_documented_style(event_type)


@pytest.mark.parametrize("event_type", event_types())
def test_a_type_is_known_by_its_stream_id_alone(event_type: str) -> None:
    assert event_type_of_stream(stream_id(event_type)) == event_type


def test_without_an_annotation_a_known_name_decides_in_any_letter_case() -> None:
    assert event_type_of_stream("agentconsole_toolinvocation") == "agentconsole.ToolInvocation"
    assert event_type_of_stream("Users.Messages.Email.OPEN") == "users.messages.email.Open"


@pytest.mark.parametrize(
    "stream",
    ["orders", "users", "users_accounts", "users_messages", "users_messages_pigeon_sent", ""],
)
def test_another_taps_stream_is_not_taken_for_currents_by_how_it_begins(stream: str) -> None:
    assert event_type_of_stream(stream) is None


def test_custom_events_are_named_by_braze_and_keep_the_types_of_their_values() -> None:
    text = '{"n": 1, "f": 1.5, "t": "x", "b": true, "l": [1, null], "o": {"k": null}, "z": null}'
    record = {**RECORD, "name": "added to cart", "properties": text}
    event = mapped("users.behaviors.CustomEvent", record)
    assert event.event == "[Braze Custom Event] added to cart"
    assert {k: v for k, v in event.properties.items() if k.startswith("[")} == {
        "[Custom event property] n": 1,
        "[Custom event property] f": 1.5,
        "[Custom event property] t": "x",
        "[Custom event property] b": True,
        "[Custom event property] l": [1, None],
        "[Custom event property] o": {"k": None},
    }


@pytest.mark.parametrize("text", ["not json", "[1]", '"text"', "", '{"half": "\\ud83d"}', "{"])
@pytest.mark.parametrize(
    ("event_type", "prefix"),
    [
        ("users.behaviors.CustomEvent", "[Custom event property]"),
        ("users.behaviors.Purchase", "[Purchase property]"),
    ],
)
def test_properties_that_are_no_json_object_are_sent_as_text_and_counted(
    event_type: str, prefix: str, text: str
) -> None:
    mapper = CurrentsMapper(event_type)
    event = mapper({**RECORD, "properties": text})
    assert event.properties[prefix] == text
    assert mapper.remarks == [UNPARSED]


def test_nulls_are_left_out() -> None:
    properties = properties_of("users.messages.email.Open", campaign_name=None, send_id="s")
    assert "campaign_name" not in properties
    assert properties["send_id"] == "s"


def test_what_braze_never_sends_is_not_sent_either_whatever_the_property_set() -> None:
    hidden = {"user_id": "b", "timezone": "UTC", "canvas_step_message_variation_id": "v"}
    for property_set in ("documented", "all"):
        settings = {"property_set": property_set}
        assert not set(hidden) & set(properties_of("users.messages.email.Open", settings, **hidden))


def test_property_set_all_adds_the_fields_that_are_not_documented() -> None:
    fields = {"sending_ip": "1.2.3.4", "device_model": "iPhone", "brand_new_field": 7}
    documented = properties_of("users.messages.email.Bounce", **fields)
    everything = properties_of("users.messages.email.Bounce", {"property_set": "all"}, **fields)
    assert "sending_ip" not in documented
    assert everything["sending_ip"] == "1.2.3.4"
    assert everything["$device"] == "iPhone"
    assert everything["brand_new_field"] == 7


@pytest.mark.parametrize("external_user_id", [None, ""])
def test_anonymous_events_are_skipped_as_the_native_connector_does(external_user_id) -> None:
    mapper = CurrentsMapper("users.messages.email.Open")
    assert mapper({**RECORD, "external_user_id": external_user_id}) == SkippedEvent(
        "Email Open", "anonymous"
    )


def test_anonymous_events_can_go_under_their_device() -> None:
    settings = {"anonymous_events": "device_id"}
    properties = properties_of(
        "users.messages.email.Open", settings, external_user_id=None, device_id="d9"
    )
    assert properties["distinct_id"] == "$device:d9"
    assert properties["$device_id"] == "d9"
    without = CurrentsMapper("users.messages.email.Open", **settings)
    assert without({"id": "e", "time": 1}) == SkippedEvent(
        "Email Open", "anonymous without device_id"
    )


@pytest.mark.parametrize("word", ["null", " ", "00000000-0000-0000-0000-000000000000", "NONE", 0])
def test_a_word_for_no_device_makes_no_person(word: object) -> None:
    mapper = CurrentsMapper("users.messages.email.Open", anonymous_events="device_id")
    assert mapper({"id": "e", "time": 1, "device_id": word}) == SkippedEvent(
        "Email Open", "anonymous without device_id"
    )


def test_anonymous_events_can_go_under_the_braze_id() -> None:
    settings = {"anonymous_events": "braze_id"}
    properties = properties_of(
        "users.messages.email.Open", settings, external_user_id=None, user_id="b7"
    )
    assert properties["distinct_id"] == "b7"
    assert "$device_id" not in properties


def test_event_names_can_be_chosen() -> None:
    names = {"users.messages.sms.CarrierSend": "SMS Send to Carrier"}
    assert (
        mapped("users.messages.sms.CarrierSend", RECORD, event_names=names).event
        == "SMS Send to Carrier"
    )
    bare = {"users.behaviors.CustomEvent": ""}
    record = {**RECORD, "name": "signed up"}
    assert mapped("users.behaviors.CustomEvent", record, event_names=bare).event == "signed up"


@pytest.mark.parametrize(
    "key",
    [
        "users.messages.email.Open",
        "users_messages_email_open",
        "users.messages.email.open",
        "Users_Messages_Email_Open",
    ],
)
def test_event_names_takes_the_event_type_or_its_stream(key: str) -> None:
    assert (
        mapped("users.messages.email.Open", RECORD, event_names={key: "Opened"}).event == "Opened"
    )
    assert not find_unknown_types([key])


@pytest.mark.parametrize("event_type", GOLDEN)
def test_a_record_selected_down_to_its_key_still_maps(event_type: str) -> None:
    properties = properties_of(event_type)
    assert set(properties) == {"time", "distinct_id", "$insert_id", "$partner_id", "ip"}


@given(
    event_type=st.sampled_from(event_types()),
    fields=st.dictionaries(
        st.sampled_from(["campaign_name", "device_model", "properties", "name", "price", "is_amp"]),
        st.none() | st.text() | st.integers(-(2**53), 2**53) | st.booleans(),
    ),
    property_set=st.sampled_from(["documented", "all"]),
)
def test_the_same_record_gives_the_same_bytes_in_every_run(
    event_type: str, fields: dict, property_set: str
) -> None:
    record = {**RECORD, **fields}
    first, second = (
        msgspec.json.encode(CurrentsMapper(event_type, property_set=property_set)(dict(record)))
        for _ in range(2)
    )
    assert first == second


@pytest.mark.parametrize("event_type", ["users.messages.email.Retry", "users.messages.email.Open"])
def test_with_all_fields_our_own_properties_win_and_it_is_reported(event_type) -> None:
    mapper = CurrentsMapper(event_type, property_set="all", project_token="ours")
    theirs = {"distinct_id": "x", "ip": "9.9", "token": "y", "$partner_id": "z", "$insert_id": "i"}
    properties = mapper({**RECORD, **theirs}).properties
    assert properties == {
        "$partner_id": "braze",
        "ip": 0,
        "token": "ours",
        "time": RECORD["time"],
        "distinct_id": "u1",
        "$insert_id": "e1",
    }
    assert len(mapper.remarks) == len(theirs)


def test_a_renamed_field_wins_over_one_that_has_its_name_whatever_comes_first() -> None:
    mapper = CurrentsMapper("users.messages.contentcard.Click", property_set="all")
    pair = {"card_id": "A", "content_card_id": "B"}
    for fields in (pair, dict(reversed(pair.items()))):
        assert mapper({**RECORD, **fields}).properties["card_id"] == "B"
    assert len(mapper.remarks) == 2
    assert mapper({**RECORD, "card_id": "A"}).properties["card_id"] == "A"
