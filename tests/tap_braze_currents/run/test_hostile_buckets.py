"""Names, links and sizes in a bucket that would end a run, or never let it end."""

from __future__ import annotations

import json
import os
import time
import tracemalloc
from pathlib import Path

import pytest

from braze_mixpanel.errors import InputError
from tap_braze_currents.formats import limits
from tap_braze_currents.formats.avro_container import encode_integer
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.json_text import event_bodies
from tests.tap_braze_currents.conftest import make_tap, tap_of
from tests.tap_braze_currents.formats.hostile_files import container, read, text

OPEN = "users.messages.email.Open"
STREAM = "users_messages_email_open"
EVENT = {"event_type": OPEN, "id": "good", "time": 1}
HOUR = f"dataexport.prod-01.S3.integration.abc/event_type={OPEN}/date=2026-11-01-13/1/prod"


@pytest.fixture
def hour(tmp_path):
    folder = tmp_path / HOUR
    folder.mkdir(parents=True)
    (folder / "good.json").write_text(json.dumps(EVENT))
    return folder


def run(bucket, capfdbinary):
    capfdbinary.readouterr()
    tap = make_tap(bucket, tap_class=tap_of(OPEN))
    error = None
    try:
        tap.sync_all()
    except InputError as caught:
        error = caught
    messages = [json.loads(line) for line in capfdbinary.readouterr().out.splitlines()]
    assert [m["record"]["id"] for m in messages if m["type"] == "RECORD"] == ["good"]
    assert any(message["type"] == "STATE" for message in messages)
    return error


@pytest.mark.parametrize("place", ["file", "folder", "event type"])
def test_a_name_that_is_no_text_is_named_and_passed_over(
    tmp_path, hour, capfdbinary, caplog, place
):
    odd = {
        "file": os.fsencode(hour) + b"/odd\xff\xfe.json",
        "folder": os.fsencode(tmp_path) + b"/odd\xff/x.json",
        "event type": os.fsencode(hour.parents[3])
        + b"/event_type=odd\xff/date=2026-11-01-13/x.json",
    }[place]
    path = Path(os.fsdecode(odd))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(EVENT))
    assert run(tmp_path, capfdbinary) is None
    assert "not valid UTF-8" in caplog.text


@pytest.mark.parametrize("target", [".", "..", "loop.json", "/dev/zero"])
def test_a_link_without_end_is_passed_over(tmp_path, hour, capfdbinary, target):
    (hour / "loop.json").symlink_to(target)
    assert run(tmp_path, capfdbinary) is None


def test_a_pipe_is_passed_over(tmp_path, hour, capfdbinary):
    os.mkfifo(hour / "pipe.json")
    assert run(tmp_path, capfdbinary) is None


def test_a_file_larger_than_the_limit_is_broken_and_not_read(tmp_path, hour, capfdbinary):
    with (hour / "large.json").open("wb") as file:
        file.truncate(limits.FILE_BYTES + 1)
    assert "larger than 512 MiB" in str(run(tmp_path, capfdbinary))


@pytest.mark.parametrize("value", [b"1", b"[]", b"{}", b'""'])
@pytest.mark.parametrize("start", [b"[", b'{"events":['])
def test_a_list_of_small_values_is_refused_before_it_takes_memory(value, start):
    data = start + (value + b",") * 1_100_000
    began = time.process_time()
    with pytest.raises(BrokenFileError, match="more than its events can have"):
        list(event_bodies(memoryview(data)))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("body", [b"[]", b"{}", b'{"events":[]}', b"[]\n", b'{"events":[]}\n'])
def test_bodies_without_events_are_refused_before_they_take_time(body):
    began = time.process_time()
    with pytest.raises(BrokenFileError, match="more than its events can have"):
        list(event_bodies(memoryview(body * 1_100_000)))
    assert time.process_time() - began < 2


@pytest.mark.parametrize("blank", [b"\n", b"\r\n", b" \n", b"\t\n\r\n "])
def test_blank_lines_take_no_time_and_are_counted(blank):
    event = b'{"event_type":"users.x","id":"a","time":1}\n'
    times = 30_000_000 // len(blank)
    began = time.process_time()
    found = list(event_bodies(memoryview(event + blank * times + event)))
    assert time.process_time() - began < 3
    assert [len(events) for _, events in found] == [1, 1]
    assert [place.line for place, _ in found] == [1, 2 + times * blank.count(b"\n")]


def test_byte_order_marks_without_end_take_no_memory():
    data = memoryview(b"\xef\xbb\xbf" * 3_000_000)
    tracemalloc.start()
    assert list(event_bodies(data)) == []
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 64 << 20


def test_all_blocks_of_a_file_together_have_a_limit(monkeypatch):
    monkeypatch.setattr("tap_braze_currents.formats.avro_decoding.UNPACKED_BYTES", 1 << 20)
    schema = {
        "type": "record",
        "name": "dataexport.S3.inner.users.x",
        "fields": [{"name": "id", "type": "string"}, {"name": "time", "type": "int"}],
    }
    rows = (text(b"x" * 1000) + encode_integer(1)) * 600
    data = container(json.dumps(schema).encode(), b"deflate", [(600, rows)] * 3)
    with pytest.raises(BrokenFileError, match="when unpacked"):
        read(data)
