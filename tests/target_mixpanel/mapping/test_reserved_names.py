"""Properties that change what Mixpanel does with an event are left out and counted."""

from __future__ import annotations

import pytest

from target_mixpanel.mapping.event import RESERVED_NAMES
from tests.target_mixpanel.harness import TIME, dry_run_events, open_record, record, run, schema

STREAMS = {"orders": {"event": "Order", "distinct_id": "who", "time": "at", "insert_id": "id"}}
FIELDS: dict[str, dict[str, str]] = {name: {} for name in ("id", "who", "at", "plan")}


@pytest.mark.parametrize("project_token", [None, "project-token"])
@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_of_another_taps_stream(name, project_token, tmp_path) -> None:
    values = {"id": "a", "who": "u1", "at": TIME, "plan": "pro", name: "x"}
    source = schema("orders", **FIELDS, **{name: {}}) + record(values, "orders")
    done = run(source, None, tmp_path, dry_run=True, streams=STREAMS, project_token=project_token)
    assert done.error is None
    (event,) = dry_run_events(tmp_path)
    assert event["properties"]["plan"] == "pro"
    assert event["properties"].get(name) == (project_token if name == "token" else None)
    ((_, remark),) = done.account.remarks
    assert name in remark


@pytest.mark.parametrize("name", sorted(RESERVED_NAMES))
def test_of_a_currents_stream_with_all_fields(name, tmp_path) -> None:
    source = schema() + record(open_record(1, plan="pro", **{name: True}))
    done = run(source, None, tmp_path, dry_run=True, property_set="all")
    (event,) = dry_run_events(tmp_path)
    assert event["properties"]["plan"] == "pro"
    assert name not in event["properties"]
    assert done.account.remarks.total() == 1


def test_a_reserved_name_that_a_setting_uses_is_used(tmp_path) -> None:
    streams = {"orders": {**STREAMS["orders"], "distinct_id": "token"}}
    values = {"id": "a", "token": "u1", "at": TIME}
    source = schema("orders", **{name: {} for name in values}) + record(values, "orders")
    done = run(source, None, tmp_path, dry_run=True, streams=streams)
    assert dry_run_events(tmp_path)[0]["properties"]["distinct_id"] == "u1"
    assert not done.account.remarks
