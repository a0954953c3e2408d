"""Records of one event type: the same seed gives the same records."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any

from tests.currents_generator import values
from tests.currents_generator.schemas import ALL_FIELDS, CURRENT, Version, fields_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tap_braze_currents.formats.fields import Field

HOUR = 3600
POOL_SIZE = 400
DEFAULT_TIME = datetime(2026, 11, 1, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Mix:
    """How many of the events are out of the ordinary; all are shares from 0 to 1."""

    anonymous: float = 0.05
    """Without `external_user_id`."""
    late: float = 0.02
    """Up to five days older than the hour of the file: phones that were offline."""
    before_2010: float = 0.0
    """From a device with a wrong clock."""
    placeholder: float = 0.0
    """Test events of the Currents set-up page."""
    redacted: float = 0.0
    """E-mail address and phone number `[REDACTED]` or hashed by a field transformation."""
    broken_properties: float = 0.0
    """`properties` that are no JSON object."""


ORDINARY = Mix()
PLAIN = Mix(anonymous=0.0, late=0.0)
"""Every event identified and inside its hour."""


class RecordMaker:
    """Makes records of one event type, quickly, by varying a pool of complete ones."""

    def __init__(
        self,
        event_type: str,
        *,
        seed: int | str = 0,
        version: Version = CURRENT,
        mix: Mix = ORDINARY,
        people: Sequence[values.User] | None = None,
    ) -> None:
        self.event_type = event_type
        self.mix = mix
        self._rng = random.Random(f"{seed}/{event_type}/{version.name}")
        self._people = people or values.users(200, random.Random(f"{seed}/people"))
        self._fields = [field for field in fields_of(event_type, version) if field.name != "id"]
        self._names = {field.name for field in self._fields}
        self._nullable = {field.name for field in self._fields if field.nullable}
        self._by_user = [
            name
            for name in ("user_id", "external_user_id", "email_address", "phone_number", "timezone")
            if name in self._names
        ]
        self._pool: list[dict[str, Any]] = []

    def make(self, count: int, hour: int) -> Iterator[dict[str, Any]]:
        """Make records whose `time` lies in the hour that begins at `hour` (UNIX seconds)."""
        rng, mix = self._rng, self.mix
        random_number, choice = rng.random, rng.choice
        wanted = min(count, POOL_SIZE)
        while len(self._pool) < wanted:
            self._pool.append(self._base())
        for _ in range(count):
            record = choice(self._pool).copy()
            record["id"] = values.uuid(rng)
            time = hour + int(random_number() * HOUR)
            self._set_user(record, choice(self._people))
            if random_number() < mix.anonymous and "external_user_id" in self._nullable:
                record["external_user_id"] = None
            if random_number() < mix.late:
                time -= int(random_number() * 5 * 24 * HOUR)
            if mix.before_2010 and random_number() < mix.before_2010:
                time = rng.randint(40_000_000, 1_262_300_000)
            record["time"] = time
            if "time_ms" in record:
                record["time_ms"] = time * 1000 + int(random_number() * 1000)
            if mix.placeholder and random_number() < mix.placeholder:
                self._make_placeholder(record)
            if mix.redacted and random_number() < mix.redacted:
                self._redact(record)
            if mix.broken_properties and random_number() < mix.broken_properties:
                self._break_properties(record)
            yield record

    def complete(self, time: int) -> dict[str, Any]:
        """Make a record in which no field at all is null."""
        scene = self._scene()
        record = {"id": values.uuid(self._rng)}
        for field in self._fields:
            record[field.name] = values.set_value_of(field.name, field.type, scene)
        record["time"] = time
        return record

    def _scene(self) -> values.Scene:
        rng = self._rng
        return values.Scene(
            rng=rng,
            user=rng.choice(self._people),
            platform=rng.choice(("ios", "android", "web")),
            from_canvas=rng.random() < 0.5,
            number=rng.randrange(60),
        )

    def _base(self) -> dict[str, Any]:
        scene = self._scene()
        record: dict[str, Any] = {"id": ""}
        for field in self._fields:
            record[field.name] = self._value(field, scene)
        return record

    def _value(self, field: Field, scene: values.Scene) -> Any:
        if not field.nullable:
            return values.set_value_of(field.name, field.type, scene)
        rarely_set = field.name.endswith("_api_id") or field.name.endswith("_attributes")
        if rarely_set and scene.rng.random() < 0.5:
            return None
        return values.value_of(field.name, field.type, scene)

    def _set_user(self, record: dict[str, Any], user: values.User) -> None:
        for name in self._by_user:
            record[name] = values.BY_NAME[name](_ForUser(user))  # type: ignore[arg-type]

    def _make_placeholder(self, record: dict[str, Any]) -> None:
        for name in (
            "timezone",
            "campaign_name",
            "canvas_name",
            "device_model",
            "external_user_id",
        ):
            if name in record:
                record[name] = f"{name}-{values.uuid(self._rng)}"
        if "timezone" in record:
            record["timezone"] = values.uuid(self._rng)

    def _redact(self, record: dict[str, Any]) -> None:
        hashed = self._rng.random() < 0.5
        for name in ("email_address", "phone_number", "to_phone_number"):
            if record.get(name):
                digest = hashlib.sha256(record[name].encode()).hexdigest()
                record[name] = digest if hashed else "[REDACTED]"

    def _break_properties(self, record: dict[str, Any]) -> None:
        if "properties" in record:
            record["properties"] = values.broken_properties_text(self._rng.randrange(1000))


@dataclass(frozen=True)
class _ForUser:
    user: values.User


def records(
    event_type: str,
    count: int,
    *,
    seed: int | str = 0,
    around: datetime = DEFAULT_TIME,
    version: Version = CURRENT,
    mix: Mix = ORDINARY,
) -> list[dict[str, Any]]:
    """Make records of one type, as dicts, in the hour that begins at `around`."""
    maker = RecordMaker(event_type, seed=seed, version=version, mix=mix)
    return list(maker.make(count, int(around.timestamp())))


def full_record(
    event_type: str,
    *,
    seed: int | str = 0,
    around: datetime = DEFAULT_TIME,
    version: Version = ALL_FIELDS,
) -> dict[str, Any]:
    """Make one record with every field that the type ever had, none of them null."""
    maker = RecordMaker(event_type, seed=seed, version=version, mix=PLAIN)
    return maker.complete(int(around.timestamp()))
