from __future__ import annotations

import pytest

from braze_mixpanel.singer.currents_streams import stream_id
from tests.currents_generator import generate, read_file
from tests.tap_braze_currents.conftest import catalog_of

TYPES = ["users.messages.email.Open", "users.behaviors.CustomEvent", "users.behaviors.Purchase"]


@pytest.mark.parametrize("layout", ["partitioned", "flat"])
def test_every_record_of_every_file_is_emitted_once(tmp_path, run_tap, layout):
    bucket = generate(tmp_path, events=600, types=TYPES, hours=3, layout=layout)

    output = run_tap(tmp_path)

    for event_type in TYPES:
        files = [file for file in bucket.files if file.event_type == event_type]
        expected = [record["id"] for file in files for record in read_file(file.path)]
        emitted = [record["id"] for record in output.records[stream_id(event_type)]]
        assert sorted(emitted) == sorted(expected)


@pytest.mark.parametrize("layout", ["partitioned", "flat"])
def test_a_second_run_reads_only_new_files(tmp_path, run_tap, layout):
    generate(tmp_path, events=100, types=TYPES, layout=layout)
    first = run_tap(tmp_path)
    new = generate(tmp_path, events=30, types=TYPES, layout=layout, seed="new")

    second = run_tap(tmp_path, state=first.state)
    third = run_tap(tmp_path, state=second.state)

    assert sum(map(len, second.records.values())) == new.events
    assert third.of("RECORD") == []
    assert third.state == second.state


def test_only_selected_streams_and_fields_are_emitted(tmp_path, run_tap):
    generate(tmp_path, events=90, types=TYPES)
    catalog = catalog_of("users_messages_email_open", only=["time", "campaign_name"])

    output = run_tap(tmp_path, catalog=catalog)

    assert list(output.records) == ["users_messages_email_open"]
    for record in output.records["users_messages_email_open"]:
        assert set(record) == {"id", "time", "campaign_name"}
    (schema,) = output.of("SCHEMA")
    assert set(schema["schema"]["properties"]) == {"id", "time", "campaign_name"}
    assert schema["schema"]["x-braze-event-type"] == "users.messages.email.Open"
    assert schema["key_properties"] == ["id"]
