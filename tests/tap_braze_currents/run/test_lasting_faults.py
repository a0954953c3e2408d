"""Faults that stay, and settings that change: what else there is is read all the same."""

from __future__ import annotations

import gzip
import json
import logging
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from braze_mixpanel.errors import ConnectorError, InputError, SettingsError, StoppedError
from tap_braze_currents.bucket.reading_ahead import read_object
from tap_braze_currents.planning.coded_names import decode_names
from tap_braze_currents.run.conditions import RunConditions
from tests.currents_generator import file_key
from tests.tap_braze_currents.conftest import catalog_of, make_tap
from tests.tap_braze_currents.planning.small_files import (
    CATALOG,
    CUSTOM,
    FIRST,
    FOLDER,
    OPEN,
    STATE_AFTER_EACH_FILE,
    STREAM,
    TAP,
    ids,
    put,
    write,
)

BODY = {"events": [{"event_type": OPEN, "id": f"e{n}", "time": 1} for n in range(50)]}


def run_to_error(root, capfdbinary, error=InputError, **settings):
    tap = make_tap(root, tap_class=TAP, catalog=CATALOG, **settings)
    with pytest.raises(error) as caught:
        tap.sync_all()
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    found = sorted(line["record"]["id"] for line in lines if line["type"] == "RECORD")
    return found, json.loads(json.dumps(tap.state)), str(caught.value)


def test_a_damaged_gzip_file_costs_only_itself(tmp_path, capfdbinary):
    put(tmp_path, 0)
    put(tmp_path, 2)
    damaged = bytearray(gzip.compress(json.dumps(BODY).encode()))
    damaged[20] ^= 0xFF
    path = tmp_path / file_key(OPEN, FIRST + timedelta(hours=1), offset=1)
    path.parent.mkdir(parents=True)
    path.with_suffix(".json.gz").write_bytes(damaged)

    found, _, message = run_to_error(tmp_path, capfdbinary)

    assert found == ["h0", "h2"]
    assert "unzipped" in message


def test_an_avro_block_that_counts_more_than_it_holds_costs_only_itself(tmp_path, capfdbinary):
    for hour in range(3):
        put(tmp_path, hour)
    path = put(tmp_path, 1)
    content = path.read_bytes()
    sync = content[-16:]
    block = content.index(sync) + len(sync)
    path.write_bytes(content[:block] + b"\x08" + content[block + 1 :])  # 4 instead of 1

    found, _, message = run_to_error(tmp_path, capfdbinary)

    assert found == ["h0", "h2"]
    assert f"block at byte {block}" in message


def test_files_that_stay_refused_do_not_stop_the_others(tmp_path, capfdbinary):
    refused = [str(put(tmp_path, hour)) for hour in range(12)]
    put(tmp_path, 20)
    read = []

    def fetch(_bucket, file):
        read.append(file.path)
        if file.path in refused:
            raise ConnectorError("no")
        return Path(file.path).read_bytes()

    conditions = RunConditions(read_file=fetch)
    found, state = [], None
    for _ in range(3):
        more, state, _ = run_to_error(
            tmp_path, capfdbinary, ConnectorError, state=state, conditions=conditions
        )
        found += more

    assert found == ["h20"]
    assert read.count(refused[0]) == 3


def test_an_integration_of_another_layout_is_read_by_path(tmp_path, run_tap, caplog):
    put(tmp_path, 0)
    other = FOLDER.replace("integration.", "integration.f")
    write(tmp_path / other / "2026/11/f.avro", "elsewhere")

    assert ids(run_tap(tmp_path, tap_class=TAP, catalog=CATALOG)) == ["elsewhere", "h0"]


def test_an_integration_among_many_other_folders_is_known(tmp_path, run_tap):
    put(tmp_path, 0)
    put(tmp_path, 5)
    for number in range(60):
        (tmp_path / f"app{number:02}").mkdir()
        (tmp_path / f"app{number:02}" / "notes.txt").write_text("")

    output = run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, start_date="2026-11-01T03")

    assert ids(output) == ["h5"]


def test_a_later_start_date_leaves_no_hours_out_that_were_not_read(tmp_path, run_tap):
    put(tmp_path, 0)
    first = run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, start_date="2026-10-25")
    for hour in (100, 200, 300):
        put(tmp_path, hour)

    second = run_tap(
        tmp_path, tap_class=TAP, catalog=CATALOG, state=first.state, start_date="2026-11-10"
    )

    assert ids(first) == ["h0"]
    assert ids(second) == ["h100", "h200", "h300"]


def test_a_repaired_file_seals_no_hour_that_the_run_has_not_reached(tmp_path, run_tap, capfdbinary):
    put(tmp_path, 50)
    repaired = put(tmp_path, 95)
    good = repaired.read_bytes()
    repaired.write_bytes(good[:-20])
    _, state, _ = run_to_error(tmp_path, capfdbinary, conditions=STATE_AFTER_EACH_FILE)
    repaired.write_bytes(good)
    for hour in (60, 61):
        put(tmp_path, hour, at=FIRST + timedelta(hours=95))
    settings = {"tap_class": TAP, "catalog": CATALOG, "lookback_hours": 1, "max_files_per_run": 1}
    settings["conditions"] = STATE_AFTER_EACH_FILE

    found = []
    for _ in range(3):
        output = run_tap(tmp_path, state=state, **settings)
        found += ids(output)
        state = output.state

    assert sorted(found) == ["h60", "h61", "h95"]


def test_a_pending_file_that_is_gone_is_named(tmp_path, run_tap, capfdbinary, caplog):
    put(tmp_path, 0)
    broken = put(tmp_path, 1)
    broken.write_bytes(broken.read_bytes()[:-20])
    _, state, _ = run_to_error(tmp_path, capfdbinary)
    broken.unlink()

    with caplog.at_level(logging.WARNING):
        run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, state=state)

    assert "was deleted before any run could read it" in caplog.text


def test_a_new_type_is_discovered_under_the_name_of_its_folder(tmp_path):
    write(
        tmp_path / file_key("agents.NewThing", FIRST, offset=1),
        "new",
        "dataexport.prod.agents.NewThing",
    )

    streams = [stream["tap_stream_id"] for stream in make_tap(tmp_path).catalog_dict["streams"]]

    assert "agents_newthing" in streams
    assert STREAM in streams


def test_an_empty_storage_url_is_not_the_folder_one_is_in():
    with pytest.raises(SettingsError, match="storage_url is empty"):
        make_tap(" ", tap_class=TAP, catalog=CATALOG).sync_all()


def test_events_of_another_type_in_a_types_folder_are_reported(tmp_path, run_tap, caplog):
    put(tmp_path, 0)
    other = {"event_type": "users.behaviors.Purchase", "id": "p", "time": 1}
    path = tmp_path / file_key(OPEN, FIRST + timedelta(hours=1), offset=1)
    path.parent.mkdir(parents=True)
    path.with_suffix(".json").write_text(json.dumps({"events": [*BODY["events"][:1], other]}))

    assert ids(run_tap(tmp_path, tap_class=TAP, catalog=CATALOG)) == ["e0", "h0"]
    assert "holds 1 events of other types" in caplog.text


def test_a_sweep_of_more_files_than_one_run_may_read_comes_to_an_end(tmp_path, run_tap):
    for hour in range(30):
        put(tmp_path, hour)
    settings = {"tap_class": TAP, "catalog": CATALOG, "max_files_per_run": 10}
    state = run_tap(tmp_path, start_date="2026-11-02", **settings).state

    swept = run_tap(tmp_path, state=state, sweep=True, **settings)
    again = run_tap(tmp_path, state=swept.state, sweep=True, **settings)

    assert len(ids(swept)) == 24
    assert ids(again) == []


def test_a_file_too_young_to_read_does_not_make_the_next_sweep_repeat(tmp_path, run_tap):
    for hour in range(30):
        put(tmp_path, hour)
    settings = {"tap_class": TAP, "catalog": CATALOG, "settle_seconds": 60}
    settings["conditions"] = RunConditions(most_late_files=5)
    state = run_tap(tmp_path, start_date="2026-11-02", **settings).state
    put(tmp_path, 40, at=datetime.now(timezone.utc))

    swept = run_tap(tmp_path, state=state, sweep=True, **settings)
    again = run_tap(tmp_path, state=swept.state, sweep=True, **settings)

    assert len(ids(swept)) == 24
    assert ids(again) == []


def test_a_folder_dated_ahead_does_not_seal_the_present(tmp_path, run_tap):
    present = datetime.now(timezone.utc).replace(minute=0, second=0, microsecond=0)
    hours = (present - FIRST) // timedelta(hours=1)
    old = present - timedelta(hours=1)
    put(tmp_path, hours, at=old)
    put(tmp_path, hours + 20, at=old)
    settings = {"tap_class": TAP, "catalog": CATALOG, "lookback_hours": 2}
    first = run_tap(tmp_path, **settings)
    put(tmp_path, hours - 1, at=old)

    assert ids(run_tap(tmp_path, state=first.state, **settings)) == [f"h{hours - 1}"]


def test_a_file_of_several_types_is_read_for_a_stream_that_is_selected_later(tmp_path, run_tap):
    other = {"event_type": CUSTOM, "id": "custom", "time": 1}
    (tmp_path / "landed.json").write_text(json.dumps({"events": [*BODY["events"][:1], other]}))
    first = run_tap(tmp_path, tap_class=TAP, catalog=catalog_of(STREAM, only=["id"]))

    second = run_tap(tmp_path, tap_class=TAP, catalog=CATALOG, state=first.state)

    assert ids(first) == ["e0"]
    assert ids(second) == ["custom"]


def test_more_unread_files_than_the_state_may_name_keep_their_hours_open(tmp_path, capfdbinary):
    for hour in range(8):
        path = put(tmp_path, hour)
        path.write_bytes(path.read_bytes()[:-20])
    put(tmp_path, 90)

    settings = {"conditions": RunConditions(most_pending_files=3), "lookback_hours": 2}
    _, state, _ = run_to_error(tmp_path, capfdbinary, **settings)
    for hour in range(8):
        put(tmp_path, hour)
    tap = make_tap(tmp_path, tap_class=TAP, catalog=CATALOG, state=state, **settings)
    tap.sync_all()
    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    found = sorted(line["record"]["id"] for line in lines if line["type"] == "RECORD")

    assert len(json.dumps(state)) < 3000
    assert sum(map(len, decode_names(state["bookmarks"][STREAM]["pending"]).values())) <= 3
    assert [f"h{hour}" for hour in range(8)] == [name for name in found if name != "h90"]


def test_a_sweep_that_was_stopped_is_taken_up_by_the_next(tmp_path, capfdbinary):
    for hour in range(30):
        put(tmp_path, hour)
    settings = {"tap_class": TAP, "catalog": CATALOG, "lookback_hours": 2}
    tap = make_tap(tmp_path, start_date="2026-11-02", **settings)
    tap.sync_all()
    capfdbinary.readouterr()

    def fetch(bucket, file):
        if "date=2026-11-01-05" in file.path:
            sweeping.run.stop()
        return read_object(bucket, file)

    conditions = RunConditions(read_file=fetch)
    sweeping = make_tap(tmp_path, sweep=True, state=tap.state, conditions=conditions, **settings)
    with pytest.raises(StoppedError):
        sweeping.sync_all()
    make_tap(tmp_path, sweep=True, state=sweeping.state, **settings).sync_all()

    lines = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    emitted = {line["record"]["id"] for line in lines if line["type"] == "RECORD"}
    assert emitted == {f"h{hour}" for hour in range(24)}
