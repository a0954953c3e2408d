"""The generator makes what facts about Currents say, and the same each time."""

from __future__ import annotations

import json
from collections import Counter
from datetime import datetime, timezone

import fastavro
import pytest

from tests.currents_generator import (
    ALL_FIELDS,
    BARE_NAME,
    CURRENT,
    OLDER,
    USUAL_TYPES,
    WRAPPED,
    Mix,
    event_types,
    fields_of,
    full_record,
    generate,
    read_file,
    records,
    write_file,
)

CUSTOM = "users.behaviors.CustomEvent"
START = datetime(2026, 11, 1, 22, tzinfo=timezone.utc)


def contents(bucket):
    return {file.key: read_file(file.path) for file in bucket.files}


def test_the_same_seed_gives_the_same_files_and_another_seed_others(tmp_path):
    one, two, three = (
        generate(tmp_path / name, events=300, types=5, seed=seed)
        for name, seed in (("one", 1), ("two", 1), ("three", 2))
    )
    assert [f.path.read_bytes() for f in one.files] == [f.path.read_bytes() for f in two.files]
    assert contents(one) != contents(three)


def test_a_bucket_has_as_many_events_files_and_repeats_as_asked(tmp_path):
    bucket = generate(
        tmp_path, events=2000, types=30, duplicates=0.05, start=START, hours=3, events_per_file=50
    )
    rows = [record for rows in contents(bucket).values() for record in rows]
    assert len(rows) == bucket.events == 2000
    assert len(bucket.by_type) == 30
    assert len(rows) - len({row["id"] for row in rows}) == bucket.duplicates
    assert 80 <= bucket.duplicates <= 120
    assert max(file.events for file in bucket.files) == 50
    assert {file.hour.hour for file in bucket.files} == {22, 23, 0}
    assert len({file.key for file in bucket.files}) == len(bucket.files)


def test_keys_follow_the_layout_of_a_bucket(tmp_path):
    file = generate(tmp_path, events=1, types=[CUSTOM], start=START).files[0]
    topic, event_type, date, schema_id, zone, name = file.key.split("/")
    assert topic.startswith("dataexport.prod-01.S3.integration.")
    assert (event_type, date) == (f"event_type={CUSTOM}", "date=2026-11-01-23")
    assert schema_id.isdigit()
    assert zone == "prod-01"
    base, partition, offset = name.removesuffix(".avro").split("+")
    assert base == topic
    assert partition.isdigit()
    assert offset.isdigit()


def test_a_flat_layout_has_no_folders(tmp_path):
    bucket = generate(tmp_path, events=60, types=20, layout="flat", hours=3)
    assert {file.path.parent for file in bucket.files} == {tmp_path}
    assert len(list(tmp_path.iterdir())) == len(bucket.files)


@pytest.mark.parametrize("version", [CURRENT, ALL_FIELDS, *OLDER], ids=lambda v: v.name)
def test_every_type_can_be_written_in_every_version(tmp_path, version):
    for event_type in event_types():
        rows = records(event_type, 3, version=version)
        path = write_file(tmp_path / f"{event_type}.avro", event_type, rows, version=version)
        fields = [field.name for field in fields_of(event_type, version)]
        assert [list(row) for row in read_file(path)] == [fields] * 3


def test_older_files_have_bare_names_and_wrapped_types(tmp_path):
    path = write_file(tmp_path / "bare.avro", CUSTOM, records(CUSTOM, 1), version=BARE_NAME)
    with path.open("rb") as file:
        header = fastavro.reader(file)
    assert header.writer_schema["name"] == CUSTOM
    path = write_file(tmp_path / "wrapped.avro", CUSTOM, records(CUSTOM, 1), version=WRAPPED)
    assert b"connect.doc" in path.read_bytes()


@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_files_have_the_codec_that_was_asked_for(tmp_path, codec):
    path = write_file(tmp_path / "a.avro", CUSTOM, records(CUSTOM, 2), codec=codec)
    with path.open("rb") as file:
        assert fastavro.reader(file).codec == codec


def test_a_full_record_has_every_field_and_no_null():
    for event_type in event_types():
        record = full_record(event_type)
        assert set(record) == {field.name for field in fields_of(event_type, ALL_FIELDS)}
        assert None not in record.values()


def test_the_shares_of_a_mix_come_out():
    mix = Mix(anonymous=0.5, late=0.0, before_2010=0.2, broken_properties=0.3)
    rows = records(CUSTOM, 1000, around=START, mix=mix)
    anonymous = sum(row["external_user_id"] is None for row in rows)
    old = sum(row["time"] < 1_262_304_000 for row in rows)
    assert 400 < anonymous < 600
    assert 150 < old < 250
    recent = [row["time"] for row in rows if row["time"] > 1_262_304_000]
    assert all(START.timestamp() <= time < START.timestamp() + 3600 for time in recent)


def test_custom_properties_hold_every_type_of_json():
    types = Counter()
    for row in records(CUSTOM, 200):
        types.update(type(value).__name__ for value in json.loads(row["properties"]).values())
    assert set(types) == {"str", "int", "float", "bool", "NoneType", "list", "dict"}


def test_usual_events_are_as_large_as_real_ones():
    sizes = {
        name: sum(len(json.dumps(row)) for row in records(name, 100)) / 100 for name in USUAL_TYPES
    }
    total = sum(sizes[name] * weight for name, weight in USUAL_TYPES.items())
    assert 600 < total / sum(USUAL_TYPES.values()) < 1200
