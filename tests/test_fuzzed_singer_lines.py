"""Changed Singer input is processed or refused in one line: no other error, and in little time."""

from __future__ import annotations

import io
import json
import os
import random
import time
from contextlib import redirect_stdout, suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.errors import ConnectorError
from target_braze_cohorts.target import TargetBrazeCohorts
from target_mixpanel.target import TargetMixpanel

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

MANY = int(os.environ.get("FUZZ_LINES", "2000"))
MOST_SECONDS = 5
STREAM = "users_behaviors_customevent"
EVENTS: list[dict[str, Any]] = [
    {
        "type": "SCHEMA",
        "stream": STREAM,
        "schema": {"type": "object", "properties": {"id": {"type": "string"}}},
        "key_properties": ["id"],
    },
    *(
        {
            "type": "RECORD",
            "stream": STREAM,
            "record": {
                "id": f"event-{number}",
                "time": 1_790_000_000 + number,
                "external_user_id": f"user-{number}",
                "name": "Bought",
                "properties": '{"a":[1,{"b":null}],"c":"d"}',
            },
            "time_extracted": "2026-11-01T00:00:00Z",
        }
        for number in range(4)
    ),
    {"type": "STATE", "value": {"bookmarks": {STREAM: {"hour": "2026-11-01-13"}}}},
    {"type": "ACTIVATE_VERSION", "stream": STREAM, "version": 1},
]
COHORTS: list[dict[str, Any]] = [
    {"type": "SCHEMA", "stream": "cohorts", "schema": {"properties": {}}, "key_properties": ["id"]},
    {"type": "RECORD", "stream": "cohorts", "record": {"id": 1, "name": "VIP", "count": 2}},
    {
        "type": "SCHEMA",
        "stream": "cohort_members",
        "schema": {"properties": {"cohort_id": {}, "distinct_id": {}}},
        "key_properties": [],
    },
    *(
        {
            "type": "RECORD",
            "stream": "cohort_members",
            "record": {"cohort_id": 1, "distinct_id": f"user-{number}", "should_remove": False},
        }
        for number in range(3)
    ),
    {"type": "ACTIVATE_VERSION", "stream": "cohort_members", "version": 1},
    {"type": "STATE", "value": {"currently_syncing": "cohorts"}},
]
ODD: list[Any] = [
    *(None, True, 0, -1, 2**63, 2**64, -(2**70), 1.5, 1e308, "", " ", "\0", "\x1b[31m", "null"),
    *("x" * 5000, "\ud83d", [], {}, [[]], {"": {}}, [None] * 300, {"a": {"b": {"c": {"d": 1}}}}),
]
TOKENS = [b"{", b"}", b"[" * 120, b"]", b'"', b"\\", b"\\u", b",", b":", b"NaN", b"1e999", b"\xff"]
TOKENS += [b"\0", b"\r\n", b"\n", b"\xef\xbb\xbf", b'"record"', b'"type"', b"9" * 5000]


def odd_value(choose: random.Random, message: Any) -> None:
    """Put an odd value somewhere into a message."""
    places = []
    open_values = [message]
    while open_values:
        value = open_values.pop()
        keys = value if isinstance(value, dict) else range(len(value))
        for key in keys:
            places.append((value, key))
            if isinstance(value[key], (dict, list)):
                open_values.append(value[key])
    container, key = choose.choice(places)
    container[key] = deepcopy(choose.choice(ODD))


def changed(choose: random.Random, messages: list[dict[str, Any]]) -> bytes:
    copies = json.loads(json.dumps(messages))
    for _ in range(choose.randint(0, 3)):
        odd_value(choose, choose.choice(copies))
    lines = [json.dumps(message).encode() for message in copies]
    for _ in range(choose.randint(0, 2)):
        number = choose.randrange(len(lines))
        line = lines[number]
        place, end = choose.randrange(len(line) + 1), choose.randrange(len(line) + 1)
        token = choose.choice([b"", *TOKENS])
        lines[number] = line[:place] + token + line[place if choose.random() < 0.5 else end :]
    if choose.random() < 0.2:
        choose.shuffle(lines)
    whole = b"\n".join(lines) + b"\n"
    return whole[: choose.randrange(len(whole))] if choose.random() < 0.1 else whole


def mixpanel(folder: Path) -> TargetMixpanel:
    config = {"dry_run": True, "dry_run_path": str(folder), "property_set": "all"}
    return TargetMixpanel(config=config)


def braze(folder: Path) -> TargetBrazeCohorts:
    config = {
        "dry_run": True,
        "membership_db": f"sqlite:///{folder}/cohorts.db",
        "dead_letter_path": str(folder),
        "rest_endpoint": "http://127.0.0.1:1",
    }
    return TargetBrazeCohorts(config=config)


@pytest.mark.parametrize(
    "count", [40, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(3600)])]
)
@pytest.mark.parametrize(("make", "messages"), [(mixpanel, EVENTS), (braze, COHORTS)])
def test_changed_lines_are_processed_or_refused_in_one_line(
    make: Callable[[Path], Any], messages, count, tmp_path, caplog
) -> None:
    refused = 0
    for seed in range(count):
        source = changed(random.Random(seed), messages)
        began = time.monotonic()
        try:
            with redirect_stdout(io.StringIO()):
                make(tmp_path).listen(io.BytesIO(source))
        except ConnectorError:
            refused += 1
        except Exception as error:
            raise AssertionError((seed, source)) from error
        assert time.monotonic() - began < MOST_SECONDS, seed
        caplog.clear()
    assert 0 < refused < count
    with suppress(FileNotFoundError):
        assert all(file.stat().st_mode & 0o077 == 0 for file in tmp_path.rglob("*.jsonl"))
