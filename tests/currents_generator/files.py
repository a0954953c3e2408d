"""Currents files in the folders of a real bucket."""

from __future__ import annotations

import hashlib
import io
import os
import random
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import fastavro

from tests.currents_generator import values
from tests.currents_generator.records import HOUR, ORDINARY, Mix, RecordMaker
from tests.currents_generator.schemas import CURRENT, Version, avro_schema, event_types, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

USUAL_TYPES = {
    "users.messages.email.Send": 14,
    "users.messages.email.Delivery": 13,
    "users.messages.email.Open": 9,
    "users.messages.pushnotification.Send": 10,
    "users.behaviors.CustomEvent": 14,
    "users.behaviors.app.SessionStart": 8,
    "users.messages.email.Click": 4,
    "users.behaviors.app.SessionEnd": 7,
    "users.messages.inappmessage.Impression": 4,
    "users.messages.pushnotification.Open": 3,
    "users.behaviors.Purchase": 2,
    "users.canvas.Entry": 2,
    "users.messages.contentcard.Impression": 2,
    "users.messages.contentcard.Send": 2,
    "users.messages.inappmessage.Click": 1,
    "users.messages.email.Unsubscribe": 1,
    "users.campaigns.Conversion": 1,
    "users.messages.email.Bounce": 1,
    "users.behaviors.subscriptiongroup.StateChange": 1,
    "users.behaviors.app.FirstSession": 1,
}
"""The twenty commonest types and their share in a hundred events."""

CLUSTER = "prod-01"
INTEGRATION = "5f2a9c1e7b3d4a0012ab34cd"


@dataclass(frozen=True)
class CurrentsFile:
    """A file that was written."""

    path: Path
    key: str
    """Its path below the output folder, with `/`."""
    event_type: str
    hour: datetime
    events: int
    version: Version


@dataclass
class Bucket:
    """What `generate` wrote."""

    root: Path
    files: list[CurrentsFile] = field(default_factory=list)
    duplicates: int = 0

    @property
    def events(self) -> int:
        """Number of records in all files, repeated ones too."""
        return sum(file.events for file in self.files)

    @property
    def by_type(self) -> dict[str, int]:
        """Number of records by event type."""
        counts: dict[str, int] = {}
        for file in self.files:
            counts[file.event_type] = counts.get(file.event_type, 0) + file.events
        return counts


def file_key(
    event_type: str,
    hour: datetime,
    *,
    partition: int = 0,
    offset: int = 0,
    schema_id: int = CURRENT.schema_id,
    cluster: str = CLUSTER,
    connection: str = "S3",
    integration: str = INTEGRATION,
) -> str:
    """Give the key of a file in the partitioned layout, below the prefix."""
    topic = f"dataexport.{cluster}.{connection}.integration.{integration}"
    return (
        f"{topic}/event_type={event_type}/date={hour:%Y-%m-%d-%H}/{schema_id}/{cluster}/"
        f"{topic}+{partition}+{offset:010d}.avro"
    )


def write_file(
    path: Path | str,
    event_type: str,
    rows: Iterable[dict[str, Any]],
    *,
    version: Version = CURRENT,
    codec: str = "deflate",
    schema: dict[str, Any] | None = None,
    modified: datetime | None = None,
) -> Path:
    """Write one Avro file.

    Args:
        path: Where; folders are made.
        event_type: Whose schema to write, unless `schema` gives another.
        rows: The records; keys that the schema lacks are left out.
        version: The way of writing the schema.
        codec: `deflate`, `null`, `snappy`, `zstandard`, …
        schema: An Avro schema to write instead.
        modified: The file's modification time.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    parsed = fastavro.parse_schema(schema or avro_schema(event_type, version))
    marker = hashlib.md5(str(path.name).encode(), usedforsecurity=False).digest()
    # 64,000 bytes a block is what Java's Avro writer does, and so Braze's files.
    fastavro.writer(buffer, parsed, rows, codec=codec, sync_interval=64_000, sync_marker=marker)
    path.write_bytes(buffer.getbuffer())
    if modified is not None:
        os.utime(path, (modified.timestamp(), modified.timestamp()))
    return path


def read_file(path: Path | str) -> list[dict[str, Any]]:
    """Read the records of a file, plainly, to compare with."""
    with Path(path).open("rb") as file:
        return list(fastavro.reader(file))


def generate(
    out: Path | str,
    *,
    events: int = 1000,
    types: int | Sequence[str] | dict[str, int] = 20,
    seed: int | str = 0,
    start: datetime = datetime(2026, 11, 1, tzinfo=timezone.utc),
    hours: int | Sequence[datetime] = 2,
    layout: Literal["partitioned", "flat"] = "partitioned",
    codec: str = "deflate",
    mix: Mix = ORDINARY,
    duplicates: float = 0.01,
    versions: Sequence[Version] = (CURRENT,),
    events_per_file: int = 15_000,
    integration: str = INTEGRATION,
    connection: str = "S3",
    population: int | None = None,
) -> Bucket:
    """Write a bucket of Currents files; the same arguments give the same files.

    Args:
        out: The folder that stands for the Currents prefix.
        events: Records in all files together, duplicates counted too.
        types: The event types: how many (the usual ones first, those without external id
            last), which, or with which weight. Every type gets at least one event, as far as
            `events` goes.
        seed: What all random choices begin with.
        start: First hour (UTC).
        hours: Over how many hours the files are spread, from `start`; or which hours.
        layout: `partitioned` as Braze writes it, or `flat`: all files in one folder.
        codec: Avro codec.
        mix: Shares of events out of the ordinary.
        duplicates: Share of records that repeat an earlier one, half in the same file, half in
            the type's next file.
        versions: Schema versions, taken in turn by the files of a type.
        events_per_file: The most a file holds.
        integration: The id in the file names.
        connection: `S3`, `GCS` or `AzureBlob`.
        population: Number of users; by default a tenth of the events, at most 20,000.
    """
    bucket = Bucket(Path(out))
    people = values.users(
        population or max(20, min(events // 10, 20_000)), random.Random(f"{seed}/people")
    )
    if isinstance(hours, int):
        hours = [start + timedelta(hours=index) for index in range(hours)]
    for event_type, count in _shares(events, types).items():
        writer = _TypeWriter(bucket, event_type, seed, mix, duplicates, versions, people)
        for index, hour in enumerate(hours):
            left = count * (index + 1) // len(hours) - count * index // len(hours)
            while left > 0:
                size = min(left, events_per_file)
                left -= size
                key_for = _keys(event_type, hour, layout, connection, integration)
                writer.write(size, hour, key_for, codec)
    return bucket


def _shares(events: int, types: int | Sequence[str] | dict[str, int]) -> dict[str, int]:
    if isinstance(types, int):
        others = sorted(set(event_types()) - set(USUAL_TYPES), key=_has_no_external_id)
        weights = {**USUAL_TYPES, **dict.fromkeys(others, 1)}
        weights = dict(list(weights.items())[:types])
    else:
        weights = dict(types) if isinstance(types, dict) else dict.fromkeys(types, 1)
    counts = dict.fromkeys(list(weights)[:events], 1)
    left = events - len(counts)
    total, done, given = sum(weights.values()), 0, 0
    for name in counts:
        done += weights[name]
        upto = left * done // total if total else 0
        counts[name] += upto - given
        given = upto
    # Rounding (and types beyond the number of events) may leave some over.
    counts[next(iter(counts))] += left - given if counts else 0
    return counts


def _has_no_external_id(event_type: str) -> tuple[bool, str]:
    """Sort the few types last whose events no target can tie to a person."""
    names = {field.name for field in fields_of(event_type)}
    return "external_user_id" not in names, event_type


def _keys(event_type: str, hour: datetime, layout: str, connection: str, integration: str) -> Any:
    def key_for(partition: int, offset: int, version: Version) -> str:
        key = file_key(
            event_type,
            hour,
            partition=partition,
            offset=offset,
            schema_id=version.schema_id,
            connection=connection,
            integration=integration,
        )
        return f"{event_type}-{key.rpartition('/')[2]}" if layout == "flat" else key

    return key_for


class _TypeWriter:
    """Writes the files of one event type, one after the other."""

    def __init__(
        self,
        bucket: Bucket,
        event_type: str,
        seed: int | str,
        mix: Mix,
        duplicates: float,
        versions: Sequence[Version],
        people: list[values.User],
    ) -> None:
        self._bucket = bucket
        self._event_type = event_type
        self._duplicates = duplicates
        self._versions = versions
        self._makers = [
            RecordMaker(event_type, seed=seed, version=version, mix=mix, people=people)
            for version in versions
        ]
        self._rng = random.Random(f"{seed}/{event_type}/files")
        self._offsets = [self._rng.randint(0, 900_000) for _ in range(3)]
        self._owed = self._rng.random()
        self._repeat_next: list[dict[str, Any]] = []
        self._number = self._rng.randrange(len(versions))

    def write(self, size: int, hour: datetime, key_for: Any, codec: str) -> None:
        number = self._number % len(self._makers)
        self._number += 1
        rows = self._rows(size, self._makers[number], int(hour.timestamp()))
        partition = self._rng.randrange(len(self._offsets))
        key = key_for(partition, self._offsets[partition], self._versions[number])
        self._offsets[partition] += size
        path = self._bucket.root / key
        version = self._versions[number]
        written = hour + timedelta(minutes=5 + self._rng.randrange(55))
        write_file(path, self._event_type, rows, version=version, codec=codec, modified=written)
        self._bucket.files.append(CurrentsFile(path, key, self._event_type, hour, size, version))

    def _rows(self, size: int, maker: RecordMaker, hour: int) -> list[dict[str, Any]]:
        self._owed += size * self._duplicates
        repeated = min(int(self._owed), size // 2)
        self._owed -= repeated
        from_before = self._repeat_next[: repeated - repeated // 2]
        rows = list(maker.make(size - repeated, hour))
        here = repeated - len(from_before)
        rows += [*from_before, *self._rng.sample(rows, min(here, len(rows)))]
        self._rng.shuffle(rows)
        self._repeat_next = self._rng.sample(rows, min(len(rows), 1 + size // 50))
        self._bucket.duplicates += repeated
        return rows


__all__ = ["HOUR", "Bucket", "CurrentsFile", "file_key", "generate", "read_file", "write_file"]
