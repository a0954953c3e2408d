"""Records that come in the files of BATCH messages."""

from __future__ import annotations

import gzip
import json
import os
from typing import TYPE_CHECKING

import pytest

from braze_mixpanel.errors import InputError, SettingsError
from tests.target_mixpanel.harness import (
    STREAM,
    dry_run_events,
    line,
    open_record,
    opens,
    record,
    run,
    schema,
    state,
)

if TYPE_CHECKING:
    from pathlib import Path

PLAIN = {"format": "jsonl", "compression": "none"}
GZIP = {"format": "jsonl", "compression": "gzip"}
LINES = b"".join(json.dumps(open_record(number)).encode() + b"\n" for number in range(3))


def batch(url: str, encoding: dict = PLAIN) -> bytes:
    return line({"type": "BATCH", "stream": STREAM, "encoding": encoding, "manifest": [url]})


def error_of(folder: Path, mixpanel, message: bytes, **settings) -> str:
    """What is said of a BATCH message that cannot be read: one line, after what came before."""
    source = schema() + opens(1, start=900) + state(1) + message + state(2)
    result = run(source, mixpanel, folder, **settings)
    assert isinstance(result.error, InputError)
    assert "event-900" in mixpanel.insert_ids()
    assert result.states in ([], [{"bookmarks": {STREAM: 1}}])
    assert "\n" not in str(result.error)
    return str(result.error)


def test_batch_files_give_the_same_events_as_records(tmp_path) -> None:
    records = [open_record(n, campaign_name="ä\n") for n in range(5)]
    lines = b"".join(json.dumps(r).encode() + b"\n" for r in records)
    packed, plain = tmp_path / "b.json.gz", tmp_path / "b.jsonl"
    packed.write_bytes(gzip.compress(lines))
    plain.write_bytes(lines)
    outputs = []
    for name, encoding, path in (
        ("packed", {"format": "jsonl", "compression": "gzip"}, packed),
        ("plain", {"format": "jsonl", "compression": "none"}, plain),
    ):
        message = {
            "type": "BATCH",
            "stream": STREAM,
            "encoding": encoding,
            "manifest": [path.as_uri()],
        }
        root = {"storage": {"root": tmp_path.as_uri()}}
        run(schema() + line(message), None, tmp_path / name, dry_run=True, batch_config=root)
        outputs.append(dry_run_events(tmp_path / name))
    run(schema() + b"".join(map(record, records)), None, tmp_path / "records", dry_run=True)
    assert outputs == [dry_run_events(tmp_path / "records")] * 2
    assert len(outputs[0]) == 5


def test_a_batch_file_that_is_gone_or_of_another_format_is_an_error(mixpanel, tmp_path) -> None:
    gone = {"format": "jsonl", "compression": "gzip"}
    for encoding, named in ((gone, "gone.gz"), ({"format": "parquet"}, "parquet")):
        message = {
            "type": "BATCH",
            "stream": STREAM,
            "encoding": encoding,
            "manifest": [(tmp_path / "gone.gz").as_uri()],
        }
        result = run(schema() + line(message), mixpanel, tmp_path)
        assert isinstance(result.error, InputError)
        assert named in str(result.error)


@pytest.mark.parametrize("place", [30, 60, 90, -6])
def test_a_damaged_batch_file_is_named(mixpanel, tmp_path, place) -> None:
    lines = b"".join(json.dumps(open_record(number)).encode() + b"\n" for number in range(300))
    damaged = bytearray(gzip.compress(lines))
    damaged[place] ^= 0xFF
    file = tmp_path / "damaged.gz"
    file.write_bytes(damaged)
    encoding = {"format": "jsonl", "compression": "gzip"}
    message = {"type": "BATCH", "stream": STREAM, "encoding": encoding}
    source = schema() + opens(1, start=900) + line({**message, "manifest": [file.as_uri()]})
    result = run(source + state(1), mixpanel, tmp_path)
    assert isinstance(result.error, InputError)
    assert "event-900" in mixpanel.insert_ids()
    assert result.states == []


def test_a_compressed_file_of_no_bytes_is_not_taken_for_one_without_records(
    mixpanel, tmp_path
) -> None:
    file = tmp_path / "empty.gz"
    file.write_bytes(b"")
    message = error_of(tmp_path, mixpanel, batch(file.as_uri(), GZIP))
    assert file.as_uri() in message
    assert "empty" in message


def test_files_without_records_are_none(mixpanel, tmp_path) -> None:
    (tmp_path / "none.gz").write_bytes(gzip.compress(b""))
    (tmp_path / "none.jsonl").write_bytes(b"")
    source = schema() + batch((tmp_path / "none.gz").as_uri(), GZIP)
    source += batch((tmp_path / "none.jsonl").as_uri()) + state(1)
    result = run(source, mixpanel, tmp_path)
    assert result.error is None
    assert result.states == [{"bookmarks": {STREAM: 1}}]


def test_a_file_that_ends_in_the_middle_of_a_line_is_named(mixpanel, tmp_path) -> None:
    file = tmp_path / "cut.jsonl"
    file.write_bytes(LINES[:-20])
    message = error_of(tmp_path, mixpanel, batch(file.as_uri()))
    assert message.startswith(f"The BATCH file {file.as_uri()} ended in the middle of a line")
    assert mixpanel.count == 3


@pytest.mark.parametrize(
    "url", ["carrier-pigeon://loft/a.jsonl", "s3://bucket/a.jsonl", "/nowhere/a.jsonl", ""]
)
def test_a_place_that_cannot_be_read_is_reported_in_one_line(
    mixpanel, tmp_path, monkeypatch, url
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    assert f"The BATCH file {url} cannot be read" in error_of(tmp_path, mixpanel, batch(url))


def test_looking_for_a_file_makes_no_folder(mixpanel, tmp_path) -> None:
    folder = tmp_path / "not there"
    error_of(tmp_path, mixpanel, batch((folder / "a.jsonl").as_uri()))
    assert not folder.exists()


def test_a_compression_that_is_not_known_is_reported(mixpanel, tmp_path) -> None:
    encoding = {"format": "jsonl", "compression": "zstd"}
    message = error_of(tmp_path, mixpanel, batch((tmp_path / "a").as_uri(), encoding))
    assert "compression zstd" in message


def test_files_can_be_found_by_their_name_in_another_place(mixpanel, tmp_path) -> None:
    (tmp_path / "a b.jsonl").write_bytes(LINES)
    storage = {"storage": {"root": tmp_path.as_uri()}}
    source = schema() + batch("file:///written/here/a b.jsonl")
    assert run(source, mixpanel, tmp_path, batch_config=storage).error is None
    assert mixpanel.count == 3


def test_without_the_setting_a_batch_message_ends_the_run_and_reads_nothing(
    mixpanel, tmp_path
) -> None:
    (tmp_path / "a.jsonl").write_bytes(LINES)
    source = schema() + opens(1, start=900) + batch((tmp_path / "a.jsonl").as_uri()) + state(2)
    result = run(source, mixpanel, tmp_path, batch_config=None)
    assert isinstance(result.error, SettingsError)
    assert "batch_config.storage.root" in str(result.error)
    assert result.states == []
    assert "event-0" not in mixpanel.insert_ids()


@pytest.mark.parametrize("form", ["{0}", "file://{0}", "file://{1}/../secret.jsonl", "../secret"])
def test_a_file_outside_the_root_is_not_read(mixpanel, tmp_path, form) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.jsonl").write_bytes(LINES)
    url = form.format(tmp_path / "secret.jsonl", root)
    storage = {"storage": {"root": root.as_uri()}}
    assert "cannot be read" in error_of(tmp_path, mixpanel, batch(url), batch_config=storage)
    assert mixpanel.count == 1


def test_a_link_out_of_the_root_and_a_pipe_are_not_read(mixpanel, tmp_path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret.jsonl").write_bytes(LINES)
    (root / "link.jsonl").symlink_to(tmp_path / "secret.jsonl")
    os.mkfifo(root / "pipe.jsonl")
    storage = {"storage": {"root": root.as_uri()}}
    for name, words in (("link", "outside batch_config.storage.root"), ("pipe", "not a regular")):
        url = (root / f"{name}.jsonl").as_uri()
        assert words in error_of(tmp_path, mixpanel, batch(url), batch_config=storage)


def test_a_file_in_a_folder_below_the_root_is_read(mixpanel, tmp_path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "a.jsonl").write_bytes(LINES)
    source = schema() + batch((tmp_path / "sub" / "a.jsonl").as_uri())
    assert run(source, mixpanel, tmp_path).error is None
    assert mixpanel.count == 3


def test_a_line_that_is_too_long_ends_the_reading_with_one_line(
    mixpanel, tmp_path, monkeypatch
) -> None:
    monkeypatch.setattr("braze_mixpanel.singer.line_blocks.MOST_LINE_BYTES", 3 << 20)
    lines = LINES + b'{"id":"' + b" " * (8 << 20) + b'"}\n'
    (tmp_path / "bomb.gz").write_bytes(gzip.compress(lines))
    url = (tmp_path / "bomb.gz").as_uri()
    assert "a line of more than 3 MiB" in error_of(tmp_path, mixpanel, batch(url, GZIP))


def test_a_place_without_a_root_is_a_mistake_in_the_settings(mixpanel, tmp_path) -> None:
    source = schema() + batch("file:///written/here/a.jsonl")
    result = run(source, mixpanel, tmp_path, batch_config={"storage": {"folder": "x"}})
    assert isinstance(result.error, SettingsError)
    assert "batch_config.storage" in str(result.error)
