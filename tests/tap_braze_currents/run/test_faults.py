"""Mistakes, damage and drift: the error that is reported, and that everything else is read."""

from __future__ import annotations

import gzip
import json
import logging

import pytest
from singer_sdk.exceptions import ConfigValidationError

from braze_mixpanel.errors import ConnectorError, InputError, SettingsError, StoppedError
from tap_braze_currents.planning.coded_names import decode_names
from tap_braze_currents.run.conditions import RunConditions
from tap_braze_currents.tap import TapBrazeCurrents
from tests.currents_generator import INTEGRATION, generate, records, write_file
from tests.tap_braze_currents.conftest import catalog_of, make_tap, tap_of

OPEN = "users.messages.email.Open"
STREAM = "users_messages_email_open"
CUSTOM = "users.behaviors.CustomEvent"
TAP = tap_of(OPEN, CUSTOM)


def schema_of(event_type, **fields):
    return {
        "type": "record",
        "name": event_type,
        "fields": [{"name": name, "type": type_} for name, type_ in fields.items()],
    }


def error_of(url, **settings):
    with pytest.raises(ConnectorError) as caught:
        make_tap(url, tap_class=TAP, **settings).sync_all()
    text = str(caught.value)
    assert "\n" not in text
    return text


def test_a_missing_folder(tmp_path):
    assert "does not exist" in error_of(tmp_path / "nowhere")


def test_a_folder_without_currents_files(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")

    assert "holds no Currents files" in error_of(tmp_path)


def test_a_file_instead_of_a_folder(tmp_path):
    (tmp_path / "x.avro").write_bytes(b"Obj")

    assert "folder that holds" in error_of(tmp_path / "x.avro")


def test_a_prefix_that_lies_too_high(tmp_path):
    generate(tmp_path / "prod", events=3, types=[OPEN])

    assert f"set it to {tmp_path}/prod" in error_of(tmp_path)


@pytest.mark.parametrize("depth", [2, 3, 4])
def test_a_prefix_that_lies_too_deep(tmp_path, depth):
    bucket = generate(tmp_path, events=3, types=[OPEN])
    inside = tmp_path.joinpath(*bucket.files[0].key.split("/")[:depth])

    assert f"set it to {tmp_path}," in error_of(inside)


def test_the_folder_of_one_integration_is_read_as_it_is(tmp_path, run_tap):
    bucket = generate(tmp_path, events=30, types=[OPEN])
    (folder,) = tmp_path.iterdir()

    first = run_tap(folder, tap_class=TAP)
    second = run_tap(folder, tap_class=TAP, state=first.state)

    assert len(first.of("RECORD")) == bucket.events
    assert second.of("RECORD") == []


def test_several_integrations_schema_versions_and_connections(tmp_path, run_tap):
    one = generate(tmp_path, events=20, types=[OPEN])
    two = generate(tmp_path, events=20, types=[OPEN], integration="b" * 24, connection="GCS")

    output = run_tap(tmp_path, tap_class=TAP)

    assert len(output.of("RECORD")) == one.events + two.events
    read = output.state["bookmarks"][STREAM]["read"]
    folders = sorted({entry["folder"] for entry in read})
    assert [INTEGRATION in folder for folder in folders] == [False, True]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start_date": "2999-01-01"}, "is in the future"),
        ({"start_date": "2026-01-02", "end_date": "2026-01-01"}, "after start_date"),
        ({"storage_options": {"auto_mkdirs": 1}}, "did you mean auto_mkdir"),
    ],
)
def test_settings_that_cannot_be(tmp_path, settings, words):
    generate(tmp_path, events=3, types=[OPEN])

    assert words in error_of(tmp_path, **settings)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"start_date": "yesterday"}, "Setting start_date is wrong"),
        ({"lookback": 3}, "did you mean lookback_hours"),
        ({"settle_seconds": -1}, "settle_seconds"),
    ],
)
def test_settings_that_are_misspelt(tmp_path, settings, words):
    with pytest.raises(ConfigValidationError) as caught:
        make_tap(tmp_path, **settings)
    assert words in caught.value.errors[0]


def test_an_unknown_kind_of_storage():
    assert "storage_url" in error_of("ftpx://somewhere")


def test_broken_files_do_not_stop_the_others_and_are_tried_again(tmp_path, run_tap, capfdbinary):
    bucket = generate(tmp_path, events=40, types=[OPEN], hours=4)
    broken, foreign = bucket.files[0].path, bucket.files[2].path
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-20])
    foreign.write_bytes(b"PAR1 no avro")
    tap = make_tap(tmp_path, tap_class=TAP)

    with pytest.raises(InputError, match="2 files or folders could not be read"):
        tap.sync_all()
    assert capfdbinary.readouterr().out.count(b'"RECORD"') == 20

    broken.write_bytes(whole)
    with pytest.raises(InputError, match=foreign.name.replace("+", r"\+")):
        make_tap(tmp_path, tap_class=TAP, state=tap.state).sync_all()
    assert capfdbinary.readouterr().out.count(b'"RECORD"') == 10


def test_a_broken_file_does_not_keep_its_hour_open(tmp_path, run_tap):
    bucket = generate(tmp_path, events=90, types=[OPEN], hours=90)
    broken = bucket.files[1].path
    whole = broken.read_bytes()
    broken.write_bytes(whole[:-20])
    tap = make_tap(tmp_path, tap_class=TAP)
    with pytest.raises(InputError):
        tap.sync_all()
    bookmark = tap.state["bookmarks"][STREAM]
    assert len(bookmark["pending"]) == 1
    assert bookmark["sealed_hour"] > bucket.files[1].hour.strftime("%Y-%m-%d-%H")
    broken.write_bytes(whole)

    output = run_tap(tmp_path, tap_class=TAP, state=tap.state)

    assert len(output.of("RECORD")) == 1
    assert output.state["bookmarks"][STREAM]["pending"] == []


def test_a_file_deleted_after_it_was_listed_is_skipped(tmp_path, caplog):
    bucket = generate(tmp_path, events=20, types=[OPEN], hours=2)
    tap = make_tap(tmp_path, tap_class=TAP, conditions=RunConditions(files_ahead=1))
    real = tap.bucket.store.read

    def cat_file(path, *args, **options):
        bucket.files[1].path.unlink(missing_ok=True)
        return real(path, *args, **options)

    tap.bucket.store.read = cat_file
    tap.sync_all()

    assert "was deleted after it was listed" in caplog.text


def test_young_files_wait_and_the_last_line_says_so(tmp_path, run_tap, caplog):
    caplog.set_level(logging.INFO)
    generate(tmp_path, events=20, types=[OPEN], hours=1)
    for path in tmp_path.rglob("*.avro"):
        path.touch()

    first = run_tap(tmp_path, tap_class=TAP, settle_seconds=3600)
    waiting = "1 files are younger than settle_seconds and wait for the next run. Run again in 3600"
    assert f"{waiting} seconds" in caplog.messages[-1]
    second = run_tap(tmp_path, tap_class=TAP, state=first.state)

    assert first.of("RECORD") == []
    assert len(second.of("RECORD")) == 20


def test_max_files_takes_the_oldest_hours_of_all_streams(tmp_path, run_tap, caplog):
    bucket = generate(tmp_path, events=60, types=[OPEN, CUSTOM], hours=6)
    caplog.set_level(logging.INFO)

    first = run_tap(tmp_path, tap_class=TAP, max_files_per_run=4)

    bookmarks = first.state["bookmarks"].values()
    hours = {hour for b in bookmarks for _, hour in decode_names(b["read"])}
    assert hours == {"2026-11-01-00", "2026-11-01-01"}
    assert set(first.records) == {STREAM, "users_behaviors_customevent"}
    assert "4 beyond max_files_per_run" in caplog.text
    seen = len(first.of("RECORD"))
    state = first.state
    for _ in range(2):
        output = run_tap(tmp_path, tap_class=TAP, max_files_per_run=4, state=state)
        seen += len(output.of("RECORD"))
        state = output.state
    assert seen == bucket.events


def test_a_shorter_lookback_loses_nothing_that_came_late(tmp_path, run_tap):
    generate(tmp_path, events=60, types=[OPEN], hours=20)
    first = run_tap(tmp_path, tap_class=TAP)
    generate(tmp_path, events=9, types=[OPEN], hours=3, seed="late")

    second = run_tap(tmp_path, tap_class=TAP, state=first.state, lookback_hours=1)
    third = run_tap(tmp_path, tap_class=TAP, state=second.state, lookback_hours=1)

    assert len(second.of("RECORD")) == 9
    assert third.of("RECORD") == []


def test_start_and_end_date_choose_hours(tmp_path, run_tap):
    generate(tmp_path, events=60, types=[OPEN], hours=6)

    output = run_tap(
        tmp_path, tap_class=TAP, start_date="2026-11-01T02:00:00Z", end_date="2026-11-01T04:00:00"
    )

    assert len(output.of("RECORD")) == 20


def test_a_sweep_finds_what_came_after_its_hour_was_sealed_and_only_that(tmp_path, run_tap, caplog):
    generate(tmp_path, events=90, types=[OPEN], hours=90)
    first = run_tap(tmp_path, tap_class=TAP)
    # Written now, which is later than the first run, into an hour that is sealed.
    generate(tmp_path, events=5, types=[OPEN], hours=1, seed="late")
    for path in tmp_path.rglob("*.avro"):
        if "date=2026-11-01-00" in str(path):
            path.touch()

    ordinary = run_tap(tmp_path, tap_class=TAP, state=first.state)
    caplog.set_level(logging.INFO)
    swept = run_tap(tmp_path, tap_class=TAP, state=ordinary.state, sweep=True)
    again = run_tap(tmp_path, tap_class=TAP, state=swept.state, sweep=True)

    assert ordinary.of("RECORD") == []
    assert 5 <= len(swept.of("RECORD")) <= 6  # the touched one of the first run is in doubt
    assert "came after their hour was sealed" in caplog.text
    assert again.of("RECORD") == []


def test_new_fields_are_reported_once_and_left_out(tmp_path, run_tap, caplog):
    schema = schema_of(OPEN, id="string", time="int", brand_new=["null", "string"])
    rows = [{"id": "1", "time": 2, "brand_new": "x"}]
    for name in ("a", "b"):
        write_file(tmp_path / f"{name}.avro", OPEN, rows, schema=schema)

    output = run_tap(tmp_path, tap_class=TAP, catalog=catalog_of(STREAM))

    assert "brand_new" not in output.records[STREAM][0]
    assert caplog.text.count("Field brand_new is not in the catalog") == 1


def test_discovery_adds_new_fields_and_types(tmp_path, run_tap):
    write_file(
        tmp_path / "a.avro",
        OPEN,
        [{"id": "1", "time": 2, "brand_new": "x"}],
        schema=schema_of(OPEN, id="string", time="int", brand_new=["null", "string"]),
    )
    new_type = "users.messages.telepathy.Send"
    write_file(
        tmp_path / "b.avro", new_type, [{"id": "1"}], schema=schema_of(new_type, id="string")
    )

    catalog = make_tap(tmp_path).catalog_dict
    output = run_tap(tmp_path, catalog=catalog)

    assert output.records[STREAM][0]["brand_new"] == "x"
    assert output.records["users_messages_telepathy_send"] == [{"id": "1"}]


def test_discovery_needs_no_bucket(tmp_path, caplog):
    without = TapBrazeCurrents(config={}, validate_config=False, setup_mapper=False)
    assert len(without.catalog_dict["streams"]) == 108
    assert not [entry for entry in caplog.records if entry.levelname != "INFO"]

    unreachable = TapBrazeCurrents(
        config={"storage_url": str(tmp_path / "nowhere")}, validate_config=False
    )
    assert len(unreachable.catalog_dict["streams"]) == 108
    assert caplog.text.count("only the event types that this version knows") == 1


def test_a_type_that_no_longer_fits_is_reported(tmp_path, run_tap, caplog):
    schema = schema_of(OPEN, id="string", time="string")
    write_file(tmp_path / "a.avro", OPEN, [{"id": "1", "time": "noon"}], schema=schema)

    output = run_tap(tmp_path, tap_class=TAP, catalog=catalog_of(STREAM, only=["time"]))

    assert output.records[STREAM] == [{"id": "1", "time": "noon"}]
    assert "Field time is string" in caplog.text


def test_a_signal_ends_the_run_between_blocks(tmp_path, capfdbinary):
    generate(tmp_path, events=40, types=[OPEN], hours=4)
    tap = make_tap(tmp_path, tap_class=TAP)
    write = tap.message_writer.write_lines

    def write_lines(lines):
        write(lines)
        if b'"RECORD"' in lines:
            tap.run.stop()

    tap.message_writer.write_lines = write_lines
    with pytest.raises(StoppedError):
        tap.sync_all()
    first = capfdbinary.readouterr().out.count(b'"RECORD"')
    make_tap(tmp_path, tap_class=TAP, state=tap.state).sync_all()

    assert first == 10
    assert capfdbinary.readouterr().out.count(b'"RECORD"') == 30


def pushed(event_type, record):
    user = ("user_id", "external_user_id", "device_id", "timezone")
    properties = {k: v for k, v in record.items() if k not in {*user, "id", "time", "properties"}}
    if "properties" in record:
        properties["custom_properties"] = json.loads(record["properties"])
    return {
        "event_type": event_type,
        "id": record["id"],
        "time": record["time"],
        "user": {name: record.get(name) for name in user},
        "properties": properties,
    }


@pytest.mark.parametrize("form", ["body", "bodies", "lines", "list", "gzipped"])
def test_pushed_events_make_the_same_records_as_stored_ones(tmp_path, run_tap, form):
    rows = {event_type: records(event_type, 5) for event_type in (OPEN, CUSTOM)}
    events = [pushed(event_type, row) for event_type, some in rows.items() for row in some]
    texts = {
        "body": json.dumps({"events": events}),
        "bodies": "\n".join(json.dumps({"events": [event]}) for event in events),
        "lines": "\n".join(map(json.dumps, events)) + "\n",
        "list": json.dumps(events),
        "gzipped": json.dumps({"events": events}, indent=1),
    }
    content = texts[form].encode()
    if form == "gzipped":
        (tmp_path / "landed.json.gz").write_bytes(gzip.compress(content))
    else:
        (tmp_path / "landed.json").write_bytes(content)

    output = run_tap(tmp_path, tap_class=TAP)
    again = run_tap(tmp_path, tap_class=TAP, state=output.state)

    for event_type, some in rows.items():
        emitted = output.records[event_type.lower().replace(".", "_")]
        for record, row in zip(emitted, some, strict=True):
            text = row.pop("properties", None)
            if text is not None:
                assert json.loads(record.pop("properties")) == json.loads(text)
            assert {k: v for k, v in record.items() if v is not None} == {
                k: v for k, v in row.items() if v is not None
            }
    assert again.of("RECORD") == []


def test_pushed_events_lie_beside_stored_ones(tmp_path, run_tap):
    generate(tmp_path, events=20, types=[OPEN])
    (tmp_path / "http").mkdir()
    event = pushed(CUSTOM, records(CUSTOM, 1)[0])
    (tmp_path / "http" / "1.ndjson").write_text(json.dumps(event))

    output = run_tap(tmp_path, tap_class=TAP)

    assert {name: len(some) for name, some in output.records.items()} == {
        STREAM: 20,
        "users_behaviors_customevent": 1,
    }


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b'{"events": [', "not JSON"),
        (b'{"event_type": "a", "id": "1"}\n{"event', "line 2"),
        (b'{"hello": 1}', "not a Currents event"),
        (b"\x1f\x8b\x08 not gzip", "unzipped"),
    ],
)
def test_damaged_json_is_reported(tmp_path, content, words):
    (tmp_path / "landed.json").write_bytes(content)

    assert words in error_of(tmp_path)


def test_errors_are_settings_errors_where_a_setting_is_wrong(tmp_path):
    with pytest.raises(SettingsError):
        make_tap(tmp_path / "nowhere", tap_class=TAP).sync_all()


def test_a_file_with_thousands_of_unknown_fields_is_logged_in_a_few_lines(
    tmp_path, run_tap, caplog
):
    names = [f"{'x' * 500}{number}" for number in range(1000)]
    unknown = {name: ["null", "int"] for name in names}
    schema = schema_of(OPEN, id="string", time="int", **unknown)
    write_file(tmp_path / "f.avro", OPEN, [{"id": "a", "time": 1}], schema=schema)

    output = run_tap(tmp_path, tap_class=TAP, catalog=catalog_of(STREAM, only=["id"]))

    assert [record["id"] for record in output.records[STREAM]] == ["a"]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert len(warnings) < 30
    assert max(map(len, warnings)) <= 1000
