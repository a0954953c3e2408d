"""What goes to standard output: the fast way and the SDK's own way, maps, batches, golden lines."""

from __future__ import annotations

import gzip
import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents import streams
from tap_braze_currents.run.conditions import RunConditions
from tests.currents_generator import ALL_FIELDS, CURRENT, OLDER, event_types, generate, write_file
from tests.tap_braze_currents.conftest import catalog_of

NOW = datetime(2026, 11, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)
FROZEN = RunConditions(clock=lambda: NOW, seconds_between_states=float("inf"))
OPEN = "users.messages.email.Open"


@pytest.fixture
def frozen_time(monkeypatch):
    """The SDK's own way stamps records with the same time as `FROZEN`."""
    monkeypatch.setattr("singer_sdk.streams.core.utc_now", lambda: NOW)


@pytest.fixture
def slow_way(monkeypatch):
    """Every record goes through the SDK's own methods."""

    def switch_on():
        monkeypatch.setattr(
            streams.CurrentsStream, "_writes_blocks", property(lambda self: False, lambda *_: None)
        )

    return switch_on


@pytest.fixture(scope="module")
def all_types(tmp_path_factory):
    folder = tmp_path_factory.mktemp("all")
    generate(folder, events=408, types=list(event_types()), versions=(CURRENT, *OLDER, ALL_FIELDS))
    return folder


@pytest.mark.usefixtures("frozen_time")
@pytest.mark.parametrize(
    "selected",
    [
        pytest.param({}, id="all fields"),
        pytest.param({"without": ["time", "user_id", "properties"]}, id="fields left out"),
        pytest.param({"only": ["external_user_id", "price"]}, id="few fields"),
    ],
)
def test_both_ways_write_the_same_bytes_for_every_event_type(
    all_types, run_tap, slow_way, selected
):
    catalog = catalog_of(*map(stream_id, event_types()), **selected)

    fast = run_tap(all_types, catalog=catalog, conditions=FROZEN)
    slow_way()
    slow = run_tap(all_types, catalog=catalog, conditions=FROZEN)

    assert len(fast.of("RECORD")) == 408
    assert fast.text == slow.text


@pytest.mark.usefixtures("frozen_time")
def test_mapped_records_come_from_the_same_records(all_types, run_tap):
    plain = run_tap(all_types, conditions=FROZEN)
    mapped = run_tap(all_types, conditions=FROZEN, stream_maps={"*": {"extra": "id + '!'"}})

    for message in mapped.of("RECORD"):
        assert message["record"].pop("extra") == message["record"]["id"] + "!"
    assert mapped.of("RECORD") == plain.of("RECORD")


def test_stream_maps_filter_rename_and_hash(tmp_path, run_tap):
    generate(tmp_path, events=40, types=[OPEN, "users.behaviors.Purchase"])

    output = run_tap(
        tmp_path,
        stream_maps={
            stream_id(OPEN): {
                "__alias__": "opens",
                "__filter__": "external_user_id is not None",
                "who": "md5(external_user_id)",
                "__else__": None,
                "__key_properties__": [],
            },
            "users_behaviors_purchase": None,
        },
    )

    assert list(output.records) == ["opens"]
    assert {tuple(record) for record in output.records["opens"]} == {("who",)}
    schemas = {message["stream"]: message["schema"] for message in output.of("SCHEMA")}
    assert schemas["opens"]["x-braze-event-type"] == OPEN
    assert "users_behaviors_purchase" not in schemas


def test_flattening_leaves_flat_records_as_they_are(tmp_path, run_tap):
    generate(tmp_path, events=20, types=[OPEN])

    plain = run_tap(tmp_path)
    flattened = run_tap(tmp_path, flattening_enabled=True, flattening_max_depth=2)

    assert flattened.records == plain.records


@pytest.mark.parametrize("compression", ["gzip", "none"])
@pytest.mark.parametrize("batch_size", [7, 10_000])
def test_batches_hold_the_same_records(tmp_path, run_tap, compression, batch_size):
    bucket = tmp_path / "bucket"
    generate(bucket, events=90, types=[OPEN, "users.behaviors.Purchase"], hours=3)
    plain = run_tap(bucket)

    output = run_tap(
        bucket,
        batch_config={
            "encoding": {"format": "jsonl", "compression": compression},
            "storage": {"root": f"file://{tmp_path}/batches", "prefix": "b-"},
            "batch_size": batch_size,
        },
    )

    found: dict[str, list] = {}
    for message in output.of("BATCH"):
        assert message["encoding"] == {"format": "jsonl", "compression": compression}
        for url in message["manifest"]:
            content = Path(url.removeprefix("file://")).read_bytes()
            text = gzip.decompress(content) if compression == "gzip" else content
            rows = [json.loads(line) for line in text.splitlines()]
            assert 0 < len(rows) <= batch_size
            found.setdefault(message["stream"], []).extend(rows)
    assert found == plain.records
    assert output.of("RECORD") == []
    assert output.state["bookmarks"].keys() == plain.state["bookmarks"].keys()


@pytest.mark.usefixtures("frozen_time")
def test_the_whole_output_of_one_small_file(tmp_path, run_tap):
    schema = {
        "type": "record",
        "name": f"dataexport.S3.inner.{OPEN}",
        "fields": [
            {"name": "id", "type": "string"},
            {"name": "time", "type": "int"},
            {"name": "user_agent", "type": ["null", "string"]},
        ],
    }
    rows = [
        {"id": "a", "time": 1, "user_agent": "Moz\nilla"},
        {"id": "b", "time": 2, "user_agent": None},
    ]
    write_file(tmp_path / "one.avro", OPEN, rows, schema=schema)

    catalog = catalog_of(stream_id(OPEN), only=["time", "user_agent", "email_address"])
    output = run_tap(tmp_path, catalog=catalog, conditions=FROZEN)

    lines = output.text.splitlines()
    assert lines[0] == (
        '{"type":"SCHEMA","stream":"users_messages_email_open","schema":{"properties":'
        '{"id":{"type":["string"]},"time":{"type":["integer"]},'
        '"email_address":{"type":["string","null"]},"user_agent":{"type":["string","null"]}},'
        '"type":"object","x-braze-event-type":"users.messages.email.Open"},'
        '"key_properties":["id"]}'
    )
    assert lines[1] == (
        '{"type":"RECORD","stream":"users_messages_email_open","record":{"id":"a","time":1,'
        '"user_agent":"Moz\\nilla","email_address":null},'
        '"time_extracted":"2026-11-02T03:04:05.678901Z"}'
    )
    assert lines[2] == (
        '{"type":"RECORD","stream":"users_messages_email_open","record":{"id":"b","time":2,'
        '"user_agent":null,"email_address":null},'
        '"time_extracted":"2026-11-02T03:04:05.678901Z"}'
    )
    assert len(lines) == 4
    assert output.state == {
        "bookmarks": {
            "users_messages_email_open": {
                "version": 2,
                "first_run": "2026-11-02T03:04:05+00:00",
                "start_hour": "",
                "shortest_lookback": 48,
                "sealed_hour": "",
                "newest_hour": "",
                "read": [],
                "pending": [],
                "late": [],
                "in_doubt": [],
                "paths": ["one.avro"],
                "shared": [],
            }
        }
    }
