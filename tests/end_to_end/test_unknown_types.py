"""Event types that nobody here knows never stop the others, on any way from file to Mixpanel."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import tempfile
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from braze_mixpanel.errors import InputError, SettingsError
from braze_mixpanel.singer.currents_streams import EVENT_TYPE_ANNOTATION, stream_id
from braze_mixpanel.singer.line_writer import LineWriter
from tap_braze_currents.catalog.event_types import registry
from tap_braze_currents.tap import TapBrazeCurrents
from target_mixpanel.mapping.currents import event_name
from tests.currents_generator import file_key, write_file
from tests.end_to_end.project import BIN, Project, pipe
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import dry_run_events, run
from tests.target_mixpanel.harness import settings as target_settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPEN = "users.messages.email.Open"
HOUR = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)
TIME = int(HOUR.timestamp())
IDENTITY = {"id": "string", "time": "int", "external_user_id": "string"}
VALUES = {
    "string": "text",
    "int": 7,
    "long": 2**40,
    "float": 0.5,
    "double": 2.5,
    "boolean": True,
    "bytes": b"\x00\xff",
    "array": ["a", None],
    "map": {"k": "v"},
}
AVRO = {
    "array": {"type": "array", "items": ["null", "string"]},
    "map": {"type": "map", "values": "string"},
}


def put(root: Path, event_type: str, fields: Mapping[str, str], number: int = 0) -> str:
    """Write a file with one event; gives the event's id."""
    event_id = f"event-{number}"
    identity = {"id": event_id, "time": TIME, "external_user_id": f"user-{number}"}
    types = {**IDENTITY, **fields}
    record: dict[str, Any] = {name: VALUES[kind] for name, kind in types.items()} | identity
    schema = {
        "type": "record",
        "name": f"dataexport.S3.inner.{event_type}",
        "fields": [
            {"name": name, "type": ["null", AVRO.get(kind, kind)]} for name, kind in types.items()
        ],
    }
    path = root / file_key(event_type, HOUR, offset=number)
    write_file(path, event_type, [record], schema=schema, modified=HOUR)
    return event_id


class KeptLines(LineWriter):
    """Keeps the lines instead of writing them."""

    def __init__(self) -> None:
        super().__init__()
        self.lines = io.BytesIO()

    def write_lines(self, lines: bytes) -> None:
        self.lines.write(lines)

    def flush(self) -> None:
        """Do nothing."""


def read_bucket(root: Path, event_types: Sequence[str], **more: Any) -> bytes:
    """Run the tap over a bucket, with only the streams of these types, which is faster."""
    streams = {stream_id(event_type) for event_type in event_types}

    class TapOfSome(TapBrazeCurrents):
        def discover_streams(self):
            return [stream for stream in super().discover_streams() if stream.name in streams]

    writer = KeptLines()
    config = {"storage_url": str(root), "settle_seconds": 0, **more}
    TapOfSome(config=config, message_writer=writer).sync_all()
    return writer.lines.getvalue()


def swapped(event_type: str, places: Sequence[bool]) -> str:
    """Change the letter case of some characters."""
    return "".join(
        letter.swapcase() if swap else letter
        for letter, swap in zip(event_type, [*places, *[False] * len(event_type)], strict=False)
    )


WORD = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,8}", fullmatch=True)
INVENTED = st.lists(WORD, min_size=1, max_size=4).map(".".join)
MISSPELT = st.builds(
    swapped, st.sampled_from(sorted(registry())), st.lists(st.booleans(), max_size=30)
)
TYPES = st.lists(
    st.tuples(INVENTED | MISSPELT, st.dictionaries(WORD, st.sampled_from(sorted(VALUES)))),
    min_size=1,
    max_size=4,
    unique_by=lambda one: stream_id(one[0]),
)


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@example([("contentoptimizer.componentSTORE", {}), ("a.b_c", {"ID": "map"})], "lines")
@example([("pigeonpost.FeatherLost", {"properties": "map", "name": "bytes"})], "batch")
@example([("orders", {"distinct_id": "string", "token": "string"})], "renamed")
@given(types=TYPES, way=st.sampled_from(["lines", "batch", "renamed"]))
def test_invented_types_fields_and_spellings_reach_mixpanel_and_so_do_the_others(
    types: list[tuple[str, dict[str, str]]], way: str
) -> None:
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        others = [one for one in types if stream_id(one[0]) != stream_id(OPEN)]
        ids = {put(root / "bucket", OPEN, {"campaign_name": "string"})}
        ids |= {
            put(root / "bucket", event_type, {**fields, **IDENTITY}, number)
            for number, (event_type, fields) in enumerate(others, 1)
        }
        more: dict[str, Any] = {}
        if way == "batch":
            storage = {"root": root.as_uri(), "prefix": ""}
            encoding = {"format": "jsonl", "compression": "gzip"}
            more["batch_config"] = {"encoding": encoding, "storage": storage}
        if way == "renamed":
            aliases = {stream_id(name): f"renamed_{n}" for n, (name, _) in enumerate(others)}
            more["stream_maps"] = {old: {"__alias__": new} for old, new in aliases.items()}
        source = read_bucket(root / "bucket", [OPEN, *(name for name, _ in others)], **more)
        for property_set in ("documented", "all"):
            folder = root / property_set
            batches = {"batch_config": {"storage": {"root": root.as_uri()}}}
            done = run(source, None, folder, dry_run=True, property_set=property_set, **batches)
            assert done.error is None
            assert done.account.rejected.total() == 0
            assert {one["properties"]["$insert_id"] for one in dry_run_events(folder)} == ids


def test_a_broken_newest_file_of_an_unknown_type_costs_itself_only(tmp_path) -> None:
    ids = {put(tmp_path / "bucket", OPEN, {}, 0)}
    ids.add(put(tmp_path / "bucket", "pigeonpost.FeatherLost", {"mood": "string"}, 1))
    broken = tmp_path / "bucket" / file_key("pigeonpost.FeatherLost", HOUR, offset=2)
    broken.write_bytes(b"Obj\x01 no Avro")
    tap = {"storage_url": str(tmp_path / "bucket"), "settle_seconds": 0}
    with FakeMixpanel() as server:
        result, tap_code = pipe(tap, target_settings(server, tmp_path), tmp_path)
        assert result.returncode == 0, result.stderr.decode()
        assert server.insert_ids() == ids
        (lost,) = (one for one in server.events() if one["event"] == "Pigeonpost Feather Lost")
        assert lost["properties"]["mood"] == "text"
    assert tap_code == InputError.exit_code
    assert broken.name in (tmp_path / "tap.log").read_text()


def test_an_unknown_type_of_broken_files_only_is_named_and_the_others_go_on(tmp_path) -> None:
    good = put(tmp_path / "bucket", OPEN, {}, 0)
    broken = tmp_path / "bucket" / file_key("pigeonpost.Broken", HOUR)
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"Obj\x01 no Avro")
    tap = {"storage_url": str(tmp_path / "bucket"), "settle_seconds": 0}
    with FakeMixpanel() as server:
        result, _ = pipe(tap, target_settings(server, tmp_path), tmp_path)
        assert result.returncode == 0, result.stderr.decode()
        assert server.insert_ids() == {good}
    log = (tmp_path / "tap.log").read_text()
    assert "The catalog lacks the event types and fields of" in log
    assert broken.name in log


FAMILIES = {
    "pigeonpost.FeatherLost": "Pigeonpost Feather Lost",
    "users.messages.hologram.Beam": "Hologram Beam",
    "contentoptimizer.NextStore": "Content Optimizer Next Store",
    "Solo": "Solo",
    "users.MESSAGES.email.click": "Email Click",
}


@pytest.fixture(scope="module")
def bucket(tmp_path_factory) -> Path:
    root: Path = tmp_path_factory.mktemp("bucket")
    put(root, OPEN, {"campaign_name": "string"})
    for number, event_type in enumerate(FAMILIES, 1):
        put(root, event_type, {"mood": "string", "tags": "array"}, number)
    return root


def expected() -> dict[str, int]:
    return dict.fromkeys([event_name(OPEN), *FAMILIES.values()], 1)


@pytest.mark.slow
@pytest.mark.parametrize("way", ["pipe", "batch", "renamed by the tap", "renamed by the target"])
def test_the_commands_deliver_types_of_invented_families(bucket, tmp_path, way) -> None:
    maps = {"stream_maps": {"pigeonpost_featherlost": {"__alias__": "post", "more": "'x'"}}}
    tap: dict[str, Any] = {"storage_url": str(bucket), "settle_seconds": 0}
    with FakeMixpanel() as server:
        target = target_settings(server, tmp_path)
        if way == "batch":
            tap["batch_config"] = {
                "encoding": {"format": "jsonl", "compression": "gzip"},
                "storage": {"root": (tmp_path / "batches").as_uri()},
            }
        if way == "renamed by the tap":
            tap |= maps
        if way == "renamed by the target":
            target |= maps
        result, tap_code = pipe(tap, target, tmp_path)
        assert (result.returncode, tap_code) == (0, 0), result.stderr.decode()
        assert server.names() == expected()


@pytest.mark.slow
def test_a_file_between_tap_and_target_delivers_them_too(bucket, tmp_path) -> None:
    (tmp_path / "tap.json").write_text(
        json.dumps({"storage_url": str(bucket), "settle_seconds": 0})
    )
    with FakeMixpanel() as server:
        (tmp_path / "target.json").write_text(json.dumps(target_settings(server, tmp_path)))
        with (tmp_path / "events.jsonl").open("wb") as file:
            tap = [BIN / "tap-braze-currents", "--config", "tap.json"]
            subprocess.run(tap, cwd=tmp_path, stdout=file, check=True, timeout=240)
        target = [BIN / "target-mixpanel", "--config", "target.json", "--input", "events.jsonl"]
        subprocess.run(target, cwd=tmp_path, check=True, capture_output=True, timeout=240)
        assert server.names() == expected()


@pytest.mark.slow
def test_meltano_run_delivers_them_and_goes_on_with_a_family_that_comes_later(
    bucket, tmp_path
) -> None:
    copy = shutil.copytree(bucket, tmp_path / "bucket")
    with FakeMixpanel() as server:
        project = Project.make(tmp_path / "project", server)
        command = ("run", "tap-braze-currents", "target-mixpanel")
        storage = {"TAP_BRAZE_CURRENTS_STORAGE_URL": str(copy)}
        first = project.meltano(*command, **storage)
        assert first.returncode == 0, first.stderr
        assert server.names() == expected()
        put(copy, "nextmonth.Sent", {"new": "string"}, 90)
        second = project.meltano(*command, **storage)
        assert second.returncode == 0, second.stderr
        assert server.names() == {**expected(), "Nextmonth Sent": 1}


@pytest.mark.slow
def test_without_the_annotation_a_new_family_costs_its_stream_and_not_the_run(
    bucket, tmp_path, caplog
) -> None:
    (tmp_path / "tap.json").write_text(
        json.dumps({"storage_url": str(bucket), "settle_seconds": 0})
    )
    tap = [BIN / "tap-braze-currents", "--config", "tap.json"]
    lines = subprocess.run(tap, cwd=tmp_path, capture_output=True, check=True, timeout=240).stdout
    messages = [json.loads(line) for line in lines.splitlines()]
    for message in messages:
        message.get("schema", {}).pop(EVENT_TYPE_ANNOTATION, None)
    source = b"".join(json.dumps(message).encode() + b"\n" for message in messages)
    with FakeMixpanel() as server:
        done = run(source, server, tmp_path)
        assert server.names() == {"Email Open": 1, "Email Click": 1}
    assert isinstance(done.error, SettingsError)
    # The error gives the first reasons; each stream has a warning of its own.
    assert "is not from Braze Currents" in str(done.error)
    for name in ("pigeonpost_featherlost", "users_messages_hologram_beam", "solo"):
        assert name in caplog.text
    assert done.states == []
