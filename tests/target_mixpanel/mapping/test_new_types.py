"""The annotation in a SCHEMA marks a stream as Currents, whatever its name and family are."""

from __future__ import annotations

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.currents_streams import EVENT_TYPE_ANNOTATION
from target_mixpanel import settings as definitions
from target_mixpanel.mapping.currents import CurrentsMapper
from target_mixpanel.mapping.event import Event
from target_mixpanel.mapping.mapper_choice import choose_mapper
from target_mixpanel.run.account import by_reason
from tests.target_mixpanel.harness import line, open_record, opens, record, run, schema, state

INVENTED = "pigeonpost.FeatherLost"
SEGMENT = st.text(min_size=1, max_size=8).filter(lambda text: text.strip() and "." not in text)
DEFAULTS = {
    name: setting["default"]
    for name, setting in definitions.SCHEMA["properties"].items()
    if "default" in setting
}


def annotated(stream: str, event_type: object) -> bytes:
    body = {"properties": {"id": {"type": "string"}}, EVENT_TYPE_ANNOTATION: event_type}
    return line({"type": "SCHEMA", "stream": stream, "schema": body, "key_properties": ["id"]})


@given(
    event_type=st.lists(SEGMENT, min_size=1, max_size=5).map(".".join),
    stream=st.text(max_size=10),
    fields=st.dictionaries(st.text(min_size=1, max_size=6), st.integers() | st.text(max_size=4)),
)
@example(event_type="contentoptimizer.componentSTORE", stream="x", fields={})
def test_an_annotated_stream_of_any_family_and_letter_case_is_mapped(event_type, stream, fields):
    body = {"properties": {}, EVENT_TYPE_ANNOTATION: event_type}
    mapper = choose_mapper(stream, body, ["id"], DEFAULTS)
    assert isinstance(mapper, CurrentsMapper)
    event = mapper({**fields, **open_record(1)})
    assert isinstance(event, Event)
    assert event.event == event.event.strip() != ""
    assert event.properties["distinct_id"] == "user-1"


def test_a_known_type_in_another_letter_case_gets_its_documented_name():
    body = {"properties": {}, EVENT_TYPE_ANNOTATION: "USERS.messages.Email.open"}
    mapper = choose_mapper("renamed", body, ["id"], DEFAULTS)
    assert isinstance(mapper, CurrentsMapper)
    assert (mapper.event_type, mapper.event) == ("users.messages.email.Open", "Email Open")


@pytest.mark.parametrize("annotation", [None, 7, "", " ", "."])
def test_an_annotation_that_names_no_type_marks_nothing(annotation):
    body = {"properties": {}, EVENT_TYPE_ANNOTATION: annotation}
    with pytest.raises(SettingsError, match="is not from Braze Currents"):
        choose_mapper("users_messages_pigeon_sent", body, ["id"], DEFAULTS)


def test_a_new_family_is_delivered_by_records_batch_files_and_a_renaming_map(mixpanel, tmp_path):
    stream = "pigeonpost_featherlost"
    head = annotated(stream, INVENTED)
    file = tmp_path / "records.jsonl"
    file.write_text(json.dumps(open_record(1)) + "\n")
    batch = line(
        {
            "type": "BATCH",
            "stream": stream,
            "encoding": {"format": "jsonl", "compression": "none"},
            "manifest": [file.as_uri()],
        }
    )
    assert run(head + batch + record(open_record(2), stream), mixpanel, tmp_path).error is None
    maps = {stream: {"__alias__": "post"}}
    renamed = run(head + record(open_record(3), stream), mixpanel, tmp_path, stream_maps=maps)
    assert renamed.error is None
    assert mixpanel.names() == {"Pigeonpost Feather Lost": 3}


def test_a_stream_that_cannot_be_mapped_costs_that_stream_and_not_the_others(mixpanel, tmp_path):
    source = (
        schema() + opens(1) + state(1) + schema("orders") + record({"id": "o"}, "orders")
    )  # fmt: skip
    result = run(source + opens(2, start=1) + state(2), mixpanel, tmp_path)
    assert mixpanel.insert_ids() == {"event-0", "event-1", "event-2"}
    assert isinstance(result.error, SettingsError)
    assert '"orders"' in str(result.error)
    assert "\n" not in str(result.error)
    assert by_reason(result.account.skipped) == {"the stream cannot be mapped": {"orders": 1}}
    assert result.states in ([], [state_value(1)])


def state_value(value: int) -> dict:
    return json.loads(state(value))["value"]


def test_a_setting_that_names_a_missing_field_costs_its_stream_only(mixpanel, tmp_path):
    streams = {"orders": {"event": "Order", "distinct_id": "byer", "time": "at"}}
    source = schema() + schema("orders", buyer={}, at={})
    source += record({"buyer": "b", "at": 1_790_000_000}, "orders") + opens(2) + state(1)
    result = run(source, mixpanel, tmp_path, streams=streams)
    assert mixpanel.insert_ids() == {"event-0", "event-1"}
    assert isinstance(result.error, SettingsError)
    assert "did you mean buyer" in str(result.error)
    assert result.states == []


@pytest.mark.parametrize("body", [{}, None, {"properties": None}, []])
def test_a_wrong_schema_of_a_stream_that_is_not_mapped_costs_that_stream_only(
    mixpanel, tmp_path, body
):
    wrong = line({"type": "SCHEMA", "stream": "orders", "schema": body, "key_properties": ["id"]})
    result = run(schema() + opens(1) + wrong + opens(2, start=1) + state(1), mixpanel, tmp_path)
    assert mixpanel.insert_ids() == {"event-0", "event-1", "event-2"}
    assert isinstance(result.error, SettingsError)
    assert "Stream orders is not from Braze Currents" in str(result.error)
    assert result.states == []


def test_streams_without_number_do_not_fill_the_log(mixpanel, tmp_path, caplog):
    many = b"".join(schema(f"table_{n}") for n in range(300))
    result = run(schema() + opens(1) + many, mixpanel, tmp_path)
    assert mixpanel.insert_ids() == {"event-0"}
    assert sum("is left out" in one.getMessage() for one in caplog.records) == 100
    assert "297 more streams are left out" in str(result.error)
    assert len(str(result.error)) < 2000
