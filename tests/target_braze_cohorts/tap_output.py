"""Output of the shape that the public tap-mixpanel 1.8.0 gives: generated, not recorded.

Profiles first, whose schema offers a date-time for every property; then the schemas of cohorts and
members, all members, and only then the cohorts; STATE around each top-level stream.
"""

from __future__ import annotations

import json
from typing import Any

MEMBERS = {1001: 252, 1002: 0, 1003: 2}
NAMES = {1001: "Active readers", 1002: "Nobody yet", 1003: "VIP"}
EXTRACTED = "2026-11-23T13:12:11.374783Z"

_ANY = {
    "anyOf": [
        {"type": ["null", "string"]},
        {"type": ["null", "boolean"]},
        {"type": ["null", "string"], "format": "singer.decimal"},
        {"type": ["null", "string"], "format": "date-time"},
        {"type": ["null", "object"], "additionalProperties": True},
        {"type": ["null", "array"], "items": {}},
    ]
}


def _text(**more: Any) -> dict[str, Any]:
    return {"type": ["null", "string"], **more}


def _schema(stream: str, key: list[str], **properties: Any) -> dict[str, Any]:
    body = {"properties": properties, "type": "object", "additionalProperties": False}
    return {"type": "SCHEMA", "stream": stream, "schema": body, "key_properties": key}


def _record(stream: str, **values: Any) -> dict[str, Any]:
    return {"type": "RECORD", "stream": stream, "record": values, "time_extracted": EXTRACTED}


def _state(**value: str) -> dict[str, Any]:
    return {"type": "STATE", "value": value}


def messages() -> list[dict[str, Any]]:
    """Write 253 profiles and 254 members of three cohorts, one of them empty."""
    number = {"type": ["null", "integer"]}
    reserved = ("email", "name", "created", "last_seen")
    found = [_state(currently_syncing="engage")]
    properties = {f"mp_reserved_{name}": _ANY for name in reserved}
    found.append(_schema("engage", ["distinct_id"], distinct_id=_text(), **properties, plan=_ANY))
    found += [
        _record(
            "engage",
            distinct_id=f"user-{user:04}",
            mp_reserved_email=f"user{user}@example.com",
            mp_reserved_name=f"User {user}",
            mp_reserved_created="2024-01-01T10:00:00.000000Z",
            mp_reserved_last_seen="2024-06-01T12:00:00.000000Z",
            plan=["free", 1.5, True, None, {"a": []}][user % 5],
        )
        for user in range(253)
    ]
    found += [
        _state(),
        _state(currently_syncing="cohorts"),
        _schema(
            "cohorts",
            ["id"],
            id=number,
            name=_text(),
            description=_text(),
            created=_text(format="date-time"),
            count=number,
        ),
        _schema(
            "cohort_members", ["cohort_id", "distinct_id"], cohort_id=number, distinct_id=_text()
        ),
    ]
    for cohort_id, count in MEMBERS.items():
        for user in range(count):
            member = {"distinct_id": f"user-{user:04}", "cohort_id": cohort_id}
            found.append(_record("cohort_members", **member))
    for cohort_id, count in MEMBERS.items():
        found.append(
            _record(
                "cohorts",
                count=count,
                is_visible=1,
                description="",
                created="2024-03-19T23:49:51.000000Z",
                project_id=42,
                id=cohort_id,
                name=NAMES[cohort_id],
            )
        )
    return [*found, _state()]


def lines() -> list[bytes]:
    """Write them as the tap does, with blanks after colons and commas."""
    return [json.dumps(message).encode() + b"\n" for message in messages()]
