"""What the bundled sample bucket promises to somebody who tries the project."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.currents_generator import CurrentsFile, read_file
from tests.make_sample_bucket import SAMPLE_BUCKET, make_sample_bucket


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> list[CurrentsFile]:
    buckets = make_sample_bucket(tmp_path_factory.mktemp("sample"))
    return [file for bucket in buckets for file in bucket.files]


@pytest.fixture(scope="module")
def sample(made) -> dict[str, list[dict]]:
    return {file.key: read_file(SAMPLE_BUCKET / file.key) for file in made}


def test_the_script_writes_the_records_that_are_in_the_repository(made, sample):
    in_repository = {
        path.relative_to(SAMPLE_BUCKET).as_posix() for path in SAMPLE_BUCKET.rglob("*.avro")
    }
    assert in_repository == set(sample)
    for file in made:
        assert read_file(file.path) == sample[file.key], file.key


def test_the_sample_is_small_and_varied(made, sample):
    assert sum(path.stat().st_size for path in SAMPLE_BUCKET.rglob("*.avro")) < 1_000_000
    assert sum(map(len, sample.values())) > 1000
    assert len({file.event_type for file in made}) >= 60
    assert len({file.hour.date() for file in made}) == 2
    assert len({file.version.name for file in made}) > 3


def test_the_sample_holds_what_real_buckets_surprise_with(sample):
    records = [record for rows in sample.values() for record in rows]
    ids = Counter(record["id"] for record in records)
    assert any(count > 1 for count in ids.values())
    assert any(record.get("external_user_id", "-") is None for record in records)
    assert any(record["time"] < 1_262_304_000 for record in records)
    assert any("price" in record for record in records)
    assert any("properties" in record and "price" not in record for record in records)
