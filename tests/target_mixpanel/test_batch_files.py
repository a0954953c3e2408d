"""Records that come in the files of BATCH messages."""

from __future__ import annotations

import gzip
import json
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
        run(schema() + line(message), None, tmp_path / name, dry_run=True)
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


def test_a_place_without_a_root_is_a_mistake_in_the_settings(mixpanel, tmp_path) -> None:
    source = schema() + batch("file:///written/here/a.jsonl")
    result = run(source, mixpanel, tmp_path, batch_config={"storage": {"folder": "x"}})
    assert isinstance(result.error, SettingsError)
    assert "batch_config.storage" in str(result.error)
