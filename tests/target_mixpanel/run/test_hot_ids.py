"""An id with more events of one day than Mixpanel takes is warned of, once and masked."""

from __future__ import annotations

import random

import msgspec
import pytest

from target_mixpanel.mapping.event import Event
from target_mixpanel.run import hot_ids
from target_mixpanel.run.hot_ids import HotIds, masked_id
from tests.target_mixpanel.harness import TIME, opens, record, run, schema

DAY = 86_400
LIMIT = hot_ids.MOST_EVENTS_A_DAY


def body_of(distinct_id: str, time: int) -> bytes:
    properties = {"time": time, "distinct_id": distinct_id, "$insert_id": "a"}
    return msgspec.json.encode(Event("E", properties))


def warnings_about(events: list[tuple[str, int]], batch_size: int = 2000) -> list[str]:
    found: list[str] = []
    ids = HotIds(found.append)
    bodies = {event: body_of(*event) for event in set(events)}
    for start in range(0, len(events), batch_size):
        part = events[start : start + batch_size]
        ids.saw([bodies[event] for event in part], [event[1] for event in part])
    return found


@pytest.mark.parametrize("batch_size", [1, 7, 32, 999, 2000])
def test_one_constant_id(batch_size) -> None:
    (warning,) = warnings_about([("unknown user 1", TIME)] * (2 * LIMIT), batch_size)
    assert "un…" in warning
    assert "unknown user 1" not in warning


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("distinct_id", ["constant-id", 'quo"ted \\ id', "Zürich-123"])
def test_one_id_among_many(distinct_id, seed) -> None:
    events = [(distinct_id, TIME)] * (LIMIT + 1)
    events += [(f"user-{number}", TIME) for number in range(100_000)]
    random.Random(seed).shuffle(events)
    assert len(warnings_about(events)) == 1


def test_every_32nd_event() -> None:
    pattern = [("constant-id", TIME)] + [("", TIME)] * 31
    assert len(warnings_about(pattern * (LIMIT + 1), 2016)) == 1


def test_the_same_number_over_two_days_is_none() -> None:
    assert not warnings_about([("constant-id", TIME), ("constant-id", TIME + DAY)] * (LIMIT // 2))


def test_events_of_nobody_are_none() -> None:
    assert not warnings_about([("", TIME)] * (2 * LIMIT))


def test_many_ids_do_not_fill_the_memory() -> None:
    ids = HotIds(lambda _: None)
    for number in range(200):
        bodies = [b'"distinct_id":"%d-%d","$insert_id":' % (number, one) for one in range(32 * 500)]
        ids.saw(bodies, [TIME] * len(bodies))
    assert len(ids._counts) <= hot_ids._MOST_COUNTERS + 500


@pytest.mark.parametrize("distinct_id", ["anna", "anna@example.com", "12345678", "Zürich-123"])
def test_a_masked_id_holds_less_than_half_of_the_id(distinct_id) -> None:
    shown = masked_id(distinct_id).partition(" ")[0].replace("…", "")
    assert 0 < len(shown) <= len(distinct_id) / 2


def test_the_run_warns(monkeypatch, tmp_path, caplog) -> None:
    monkeypatch.setattr(hot_ids, "_WARN_AT", 20)
    source = schema() + b"".join(
        record({"id": f"e{number}", "time": TIME, "external_user_id": "constant-id"})
        for number in range(32 * 21)
    )
    run(source + opens(1), None, tmp_path, dry_run=True)
    warned = [
        r.getMessage()
        for r in caplog.records
        if "on one day: Mixpanel quarantines" in r.getMessage()
    ]
    assert len(warned) == 1
    assert "constant-id" not in warned[0]
