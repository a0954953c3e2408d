"""A record that no stream map can take costs itself; its file is read again when one can."""

from __future__ import annotations

import json
import time

import pytest

from braze_mixpanel.errors import InputError, SettingsError
from tests.tap_braze_currents.conftest import make_tap, tap_of

OPEN, CLICK = "users.messages.email.Open", "users.messages.email.Click"
BATCH = {"encoding": {"format": "jsonl", "compression": "none"}}
STREAM = "users_messages_email_open"


def put(folder, name, *names, event_type=OPEN):
    events = [
        {"event_type": event_type, "id": f"{name}-{n}", "time": 1, "properties": {"app_id": app}}
        for n, app in enumerate(names)
    ]
    (folder / f"{name}.json").write_text("".join(json.dumps(event) + "\n" for event in events))


def run(folder, capfdbinary, expression, state=None, **settings):
    capfdbinary.readouterr()
    maps = {STREAM: {"app_id": expression}}
    tap = make_tap(folder, tap_class=tap_of(OPEN, CLICK), state=state, stream_maps=maps, **settings)
    error = None
    try:
        tap.sync_all()
    except (InputError, SettingsError) as caught:
        error = caught
    messages = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    ids = [message["record"]["id"] for message in messages if message["type"] == "RECORD"]
    states = [message["value"] for message in messages if message["type"] == "STATE"]
    return ids, states[-1] if states else None, error


@pytest.mark.parametrize("expression", ["app_id.upper()", "app_id * 90000", "'a' + app_id"])
def test_the_other_records_are_written_and_the_file_is_named_and_read_again(
    tmp_path, capfdbinary, expression
):
    put(tmp_path, "a", "x", None if "*" not in expression else "xx", "y")
    put(tmp_path, "b", "z")
    ids, state, error = run(tmp_path, capfdbinary, expression)
    assert sorted(ids) == ["a-0", "a-2", "b-0"]
    assert isinstance(error, InputError)
    assert "a.json" in str(error)
    assert expression in str(error)
    assert "1 record is left out" in str(error)

    ids, _, error = run(tmp_path, capfdbinary, "app_id", state)
    assert error is None
    assert sorted(ids) == ["a-0", "a-1", "a-2"]


@pytest.mark.parametrize("batch", [False, True])
def test_a_result_that_is_small_in_memory_and_huge_as_text_costs_its_record(
    batch, tmp_path, capfdbinary
):
    source = tmp_path / "source"
    source.mkdir()
    put(source, "a", "x", "y")
    more = {"batch_config": BATCH | {"storage": {"root": (tmp_path / "b").as_uri()}}}
    began = time.process_time()
    _, _, error = run(
        source,
        capfdbinary,
        "[[[1] * 1000] * 1000] * 1000 if app_id == 'x' else 'y'",
        **(more if batch else {}),
    )
    assert time.process_time() - began < 10
    assert isinstance(error, InputError)
    assert "1 record is left out" in str(error)


def test_batch_files_hold_the_other_records(tmp_path, capfdbinary):
    source, target = tmp_path / "source", tmp_path / "batch"
    source.mkdir()
    put(source, "a", "x", None)
    batch = BATCH | {"storage": {"root": target.as_uri()}}
    _, _, error = run(source, capfdbinary, "app_id.upper()", batch_config=batch)
    assert isinstance(error, InputError)
    (file,) = target.iterdir()
    assert [json.loads(line)["id"] for line in file.read_text().splitlines()] == ["a-0"]
    assert file.stat().st_mode & 0o777 == 0o600


def test_a_mistake_in_the_map_ends_the_run_at_once(tmp_path, capfdbinary):
    put(tmp_path, "a", "x")
    ids, _, error = run(tmp_path, capfdbinary, "nofunction(app_id)")
    assert isinstance(error, SettingsError)
    assert ids == []
