"""What comes in: cut lines, batch files, stream maps, strange taps, wrong settings."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
from functools import cached_property
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from singer_sdk.exceptions import ConfigValidationError

from braze_mixpanel.errors import ConnectorError, InputError, SettingsError, StoppedError
from braze_mixpanel.singer.message_reader import RecordBeforeSchemaError
from target_mixpanel.sending.batches import Batch
from target_mixpanel.target import TargetMixpanel
from tests.fakes import mixpanel_faults as faults
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import (
    STREAM,
    TIME,
    Blocks,
    dry_run,
    dry_run_events,
    line,
    open_record,
    opens,
    record,
    run,
    schema,
    settings,
    state,
)

SOURCE = schema() + opens(3) + state(1)


@given(cut=st.integers(0, len(SOURCE)))
def test_a_tap_that_dies_at_any_byte_has_everything_complete_delivered(
    cut: int, tmp_path_factory
) -> None:
    folder = tmp_path_factory.mktemp("cut")
    source = SOURCE[:cut]
    result = run(source, None, folder, dry_run=True)
    whole = source.count(b'"RECORD"') - (b'"RECORD"' in source.rpartition(b"\n")[2])
    last_is_whole = source.rpartition(b"\n")[2].endswith(b"}}")
    assert len(dry_run_events(folder)) == whole + last_is_whole * (
        b'"RECORD"' in source.rpartition(b"\n")[2]
    )
    tail = source.rpartition(b"\n")[2]
    assert (result.error is None) == (bool(source) and (not tail or _is_json(tail)))


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


def test_what_came_before_a_cut_line_is_imported_and_its_state_kept(mixpanel, tmp_path) -> None:
    result = run(SOURCE + opens(1, start=9)[:-30], mixpanel, tmp_path)
    assert isinstance(result.error, InputError)
    assert "middle of a line" in str(result.error)
    assert mixpanel.count == 3
    assert result.states == [{"bookmarks": {STREAM: 1}}]


def test_a_line_that_is_no_singer_message_is_named_by_its_number(mixpanel, tmp_path) -> None:
    result = run(
        schema() + opens(1) + b"Traceback (most recent call last):\n" + opens(1, 5),
        mixpanel,
        tmp_path,
    )
    assert isinstance(result.error, InputError)
    assert "Line 3" in str(result.error)
    assert mixpanel.count == 1


def test_an_unknown_message_type_is_an_error(mixpanel, tmp_path) -> None:
    result = run(schema() + line({"type": "BOOKMARK"}), mixpanel, tmp_path)
    assert "BOOKMARK" in str(result.error)


def test_a_record_before_its_schema_is_an_error(mixpanel, tmp_path) -> None:
    result = run(opens(1), mixpanel, tmp_path)
    assert isinstance(result.error, RecordBeforeSchemaError)


def test_lines_of_any_json_style_are_understood(mixpanel, tmp_path) -> None:
    loose = json.dumps({"type": "RECORD", "stream": STREAM, "record": open_record(1)}, indent=None)
    other_order = json.dumps({"record": open_record(2), "stream": STREAM, "type": "RECORD"})
    versioned = json.dumps(
        {"type": "RECORD", "version": 7, "stream": STREAM, "record": open_record(3)}
    )
    source = (
        schema()
        + "\n".join(
            [loose, "", other_order, versioned, loose.replace("event-1", "event-4")]
        ).encode()
    )
    result = run(source, mixpanel, tmp_path)
    assert result.error is None
    assert mixpanel.count == 4


def test_half_an_emoji_and_nan_do_not_cost_the_record(mixpanel, tmp_path) -> None:
    text = f'{{"type":"RECORD","stream":"{STREAM}","record":{{"id":"e1","time":{TIME},'
    text += '"external_user_id":"u",'
    source = schema() + (text + '"campaign_name":"\\ud83d!","device_model":NaN}}\n').encode()
    assert run(source, mixpanel, tmp_path).error is None
    (event,) = mixpanel.events()
    assert event["properties"]["campaign_name"] == "\N{REPLACEMENT CHARACTER}!"
    assert "$device" not in event["properties"]


def test_stream_maps_and_flattening_work_and_the_dead_letter_keeps_the_original(
    mixpanel, tmp_path
) -> None:
    maps = {
        STREAM: {
            "campaign_name": "record['campaign_name'].upper()",
            "id": "record['id']",
            "time": "record['time']",
            "external_user_id": "record['external_user_id']",
            "__else__": None,
            "__filter__": "record['id'] != 'event-2'",
        }
    }
    properties = {
        "id": {"type": "string"},
        "time": {"type": ["integer", "null"]},
        "external_user_id": {"type": "string"},
        "campaign_name": {"type": "string"},
    }
    source = schema(STREAM, **properties)
    for number, time in enumerate((TIME, None, TIME)):
        source += record(open_record(number, time=time, campaign_name="hello"))
    result = run(source, mixpanel, tmp_path, stream_maps=maps)
    assert result.error is None
    (event,) = mixpanel.events()
    assert event["properties"]["campaign_name"] == "HELLO"
    assert [dead["record"]["campaign_name"] for dead in result.dead] == ["hello"]
    assert result.account.skipped == {(STREAM, "filtered by stream_maps"): 1}
    assert result.account.read.total() == 3


def test_properties_that_are_no_json_object_are_sent_and_counted(mixpanel, tmp_path) -> None:
    stream = "users_behaviors_customevent"
    source = schema(stream)
    for number, text in enumerate(['{"a": 1}', "not json", "[2]"]):
        source += record(open_record(number, name="clicked", properties=text), stream)
    result = run(source, mixpanel, tmp_path)
    assert mixpanel.count == 3
    assert list(result.account.remarks.values()) == [2]
    assert "no JSON object" in result.account.table()


def test_streams_of_other_taps_go_by_the_setting(mixpanel, tmp_path) -> None:
    orders = {
        "orders": {"event": "Order", "distinct_id": "customer", "time": "at", "insert_id": "id"}
    }
    values = {"id": 7, "customer": "c1", "at": "2026-09-21T10:00:00Z", "total": 3}
    result = run(
        schema("orders", id={}, customer={}) + record(values, "orders"),
        mixpanel,
        tmp_path,
        streams=orders,
    )
    assert result.error is None
    (event,) = mixpanel.events()
    assert event["event"] == "Order"
    assert event["properties"]["total"] == 3


@pytest.mark.parametrize("stream", ["orders", "users", "users_accounts"])
def test_a_stream_that_nobody_described_is_an_error_that_says_how(
    mixpanel, tmp_path, stream
) -> None:
    source = schema(stream) + record({"id": 1, "email": "e"}, stream) + state(1)
    result = run(source, mixpanel, tmp_path)
    assert isinstance(result.error, SettingsError)
    assert f'"{stream}"' in str(result.error)
    assert result.states == []


def test_what_stands_for_an_event_type_but_is_no_text_names_none(mixpanel, tmp_path) -> None:
    message = json.loads(schema("orders"))
    message["schema"]["x-braze-event-type"] = 7
    result = run(line(message), mixpanel, tmp_path)
    assert isinstance(result.error, SettingsError)


def test_an_event_type_from_the_schema_names_types_not_known_yet(mixpanel, tmp_path) -> None:
    stream = "users_messages_pigeon_featherlost"
    properties = {"id": {"type": "string"}}
    message = {
        "type": "SCHEMA",
        "stream": stream,
        "schema": {
            "properties": properties,
            "x-braze-event-type": "users.messages.pigeon.FeatherLost",
        },
        "key_properties": ["id"],
    }
    run(line(message) + record(open_record(1, feather="left"), stream), mixpanel, tmp_path)
    assert mixpanel.names() == {"Pigeon Feather Lost": 1}


def test_a_dry_run_needs_no_credentials_sends_nothing_and_keeps_state(mixpanel, tmp_path) -> None:
    result = run(
        SOURCE,
        mixpanel,
        tmp_path,
        dry_run=True,
        service_account_username=None,
        service_account_password=None,
    )
    assert mixpanel.requests == []
    assert result.states == []
    assert [event["properties"]["$insert_id"] for event in dry_run_events(tmp_path)] == [
        "event-0",
        "event-1",
        "event-2",
    ]


def test_a_dry_run_writes_exactly_what_is_sent(mixpanel, tmp_path) -> None:
    run(SOURCE, mixpanel, tmp_path)
    run(SOURCE, None, tmp_path, dry_run=True)
    assert dry_run_events(tmp_path) == mixpanel.events()


def test_dry_runs_that_begin_in_the_same_second_keep_a_file_each(tmp_path) -> None:
    first, second = (dry_run(tmp_path, "target-mixpanel") for _ in range(2))
    for sender, body in ((first, b"1"), (second, b"2")):
        sender.submit(Batch(0, ["Open"], [0.0], body, [], b""))
        sender.drain(lambda: True)
    assert (Path(first.where).read_bytes(), Path(second.where).read_bytes()) == (b"1\n", b"2\n")


def test_a_dry_run_does_not_depend_on_the_time_of_day(tmp_path) -> None:
    """Braze's test events carry times years ahead: shown, with what awaits them."""
    source = schema() + record(open_record(1, time=2_033_802_504))
    result = run(source, None, tmp_path, dry_run=True)
    assert len(dry_run_events(tmp_path)) == 1
    assert "would be rejected" in result.account.table(dry_run=True)


def test_what_a_dry_run_would_reject_lies_apart(tmp_path) -> None:
    run(schema() + record(open_record(1, time=None)), None, tmp_path, dry_run=True)
    assert dry_run_events(tmp_path) == []
    assert len(list((tmp_path / "dry_run" / "rejected").glob("*.jsonl"))) == 1
    assert not (tmp_path / "dead_letter").exists()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"service_account_password": None}, "service_account_password"),
        (
            {"service_account_username": None, "service_account_password": None},
            "No Mixpanel credentials",
        ),
        ({"region": "mars"}, "Setting region is wrong: 'mars' is not one of ['us', 'eu', 'in']"),
        ({"api_url": "http://api.mixpanel.com"}, "must begin with https"),
        ({"api_url": "https://api.mixpanel.com:99999"}, "a port"),
        ({"batch_size": 2001}, "batch_size"),
        ({"max_rejected_ratio": "some"}, "max_rejected_ratio"),
        ({"max_rejected_ratio": 2}, "max_rejected_ratio"),
        ({"min_event_time": "last week"}, "min_event_time"),
        ({"regoin": "eu"}, "did you mean region?"),
        ({"streams": {"orders": {"event": "Order"}}}, "time"),
    ],
)
def test_a_wrong_setting_is_one_line_that_says_which(tmp_path, caplog, change, said) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(settings(None, tmp_path, **change)))
    result = CliRunner().invoke(TargetMixpanel.cli, ["--config", str(path)], input="")
    assert result.exit_code == SettingsError.exit_code
    errors = [r.getMessage() for r in caplog.records if r.levelname == "ERROR"]
    assert len(errors) == 1
    assert said in errors[0]
    assert "\n" not in errors[0]
    assert "account-secret" not in caplog.text


def test_the_project_id_may_be_a_number_as_yaml_reads_it(mixpanel, tmp_path) -> None:
    assert run(SOURCE, mixpanel, tmp_path, project_id=12345).error is None


def test_ratios_can_be_text_because_meltano_fails_on_decimals(mixpanel, tmp_path) -> None:
    assert run(SOURCE, mixpanel, tmp_path, max_rejected_ratio="0.25").error is None


def test_a_folder_that_cannot_be_written_is_one_line(mixpanel, tmp_path) -> None:
    (tmp_path / "dead_letter").write_text("in the way")
    with pytest.raises(ConfigValidationError) as caught:
        run(schema() + record(open_record(1, time=None)), mixpanel, tmp_path)
    assert "dead_letter_path" in caught.value.errors[0]
    assert not mixpanel.requests


def test_no_secret_shows_anywhere(mixpanel, tmp_path, caplog, capfd) -> None:
    caplog.set_level("DEBUG")
    mixpanel.policy = [None, faults.UNAVAILABLE, faults.Answer(401, body={"error": "no"})]
    secret = "account-secret"
    run(schema() + record(open_record(1, time=None)) + opens(2), mixpanel, tmp_path)
    run(SOURCE, None, tmp_path, dry_run=True)
    TargetMixpanel.print_about(output_format="json")
    output = capfd.readouterr()
    files = "".join(p.read_text() for p in tmp_path.rglob("*") if p.is_file())
    assert secret not in caplog.text + output.out + output.err + files
    assert "event-0" in files


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("idle", [False, True])
def test_a_signal_finishes_what_is_in_flight_and_passes_the_safe_state_on(
    tmp_path: Path, number: signal.Signals, *, idle: bool
) -> None:
    """Also while the tap is silent and keeps its end of the pipe open."""
    with FakeMixpanel() as server:
        config = tmp_path / "config.json"
        config.write_text(json.dumps(settings(server, tmp_path, batch_size=2)))
        process = subprocess.Popen(
            [sys.executable, "-m", "target_mixpanel", "--config", str(config)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin
        process.stdin.write(schema() + opens(2) + state(2) + opens(1, start=2) + state(3))
        process.stdin.flush()
        server.wait_for(lambda held: held.count == 2)
        os.kill(process.pid, number)
        if idle:
            process.wait(timeout=60)
        out, err = process.communicate(timeout=60)
    assert process.returncode == StoppedError.exit_code
    assert json.loads(out.splitlines()[-1]) == {"bookmarks": {STREAM: 2}}
    assert b"Traceback" not in err


def test_a_signal_ends_the_reading_of_a_batch_file_and_no_later_state_passes(
    mixpanel, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("braze_mixpanel.singer.line_blocks.BLOCK_BYTES", 10_000)
    file = tmp_path / "batch.jsonl"
    file.write_bytes(b"".join(json.dumps(open_record(n)).encode() + b"\n" for n in range(3000)))
    message = {"type": "BATCH", "stream": STREAM, "encoding": {"format": "jsonl"}}

    class Stopped(TargetMixpanel):
        def between_blocks(self) -> None:
            self.handle_signal(signal.SIGTERM) if self.stopped_by is None else None
            super().between_blocks()

    source = schema() + opens(2) + line({**message, "manifest": [file.as_uri()]}) + state(1)
    result = run(source, mixpanel, tmp_path, target_class=Stopped)
    assert isinstance(result.error, StoppedError)
    assert 0 < result.account.read.total() < 3000
    assert result.states == []


def test_one_line_at_a_time_is_the_same_as_all_at_once(mixpanel, tmp_path) -> None:
    pieces = [SOURCE[start : start + 7] for start in range(0, len(SOURCE), 7)]
    assert run(Blocks(*pieces), mixpanel, tmp_path).error is None
    assert mixpanel.count == 3


def test_unforeseen_errors_are_not_hidden(mixpanel, tmp_path) -> None:
    class Broken(TargetMixpanel):
        @cached_property
        def mappers(self):
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run(SOURCE, mixpanel, tmp_path, target_class=Broken)
    assert not issubclass(ZeroDivisionError, ConnectorError)


def test_a_record_that_no_stream_map_takes_is_counted_once(tmp_path) -> None:
    given = {"id": "id", "time": "time", "external_user_id": "external_user_id"}
    maps = {
        STREAM: {"__filter__": "id == 'event-0'", **given},
        "clicks": {
            "__source__": STREAM,
            "__filter__": "id == 'event-1'",
            **given,
        },
    }
    clicks = {"event": "Click", "distinct_id": "external_user_id", "time": "time"}
    types = {"id": {"type": "string"}, "time": {"type": "integer"}}
    source = schema(STREAM, **types, external_user_id={"type": "string"}) + opens(4)
    result = run(source, None, tmp_path, dry_run=True, stream_maps=maps, streams={"clicks": clicks})
    account = result.account
    assert account.skipped == {(STREAM, "filtered by stream_maps"): 2}
    assert account.read.total() == 4
    assert account.imported.total() == 2


def test_a_dry_run_whose_file_could_not_be_written_does_not_say_that_it_holds_the_events(
    tmp_path, caplog
) -> None:
    caplog.set_level("INFO")

    class FullDisk(io.BytesIO):
        def write(self, data: object) -> int:
            raise OSError(errno.ENOSPC, "No space left on device")

    class Full(TargetMixpanel):
        @cached_property
        def dry_run(self):
            return dry_run(tmp_path, self.name, make=lambda _: FullDisk())

    result = run(SOURCE, None, tmp_path, target_class=Full, dry_run=True)
    assert isinstance(result.error, SettingsError)
    assert "holds the events" not in caplog.text
    assert "is not complete" in caplog.text
