"""Buckets of small files, one event each, that are written by hand."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta, timezone

import pytest

from braze_mixpanel.errors import ConnectorError
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.run.conditions import RunConditions
from tests.currents_generator import INTEGRATION, file_key, write_file
from tests.tap_braze_currents.conftest import catalog_of, make_tap, tap_of

OPEN, CUSTOM = "users.messages.email.Open", "users.behaviors.CustomEvent"
STREAM = stream_id(OPEN)
TAP = tap_of(OPEN, CUSTOM)
ANY_OPEN = f"event_type={OPEN}"
FOLDER = f"dataexport.prod-01.S3.integration.{INTEGRATION}"
FIRST = datetime(2026, 11, 1, tzinfo=timezone.utc)
STATE_AFTER_EACH_FILE = RunConditions(records_between_states=1, most_state_share=float("inf"))
CATALOG = catalog_of(STREAM, stream_id(CUSTOM), only=["id"])


def schema_of(event_type):
    fields = [{"name": "id", "type": "string"}, {"name": "time", "type": "int"}]
    return {"type": "record", "name": event_type, "fields": fields}


def write(path, event_id, event_type=OPEN):
    path.parent.mkdir(parents=True, exist_ok=True)
    return write_file(path, event_type, [{"id": event_id, "time": 1}], schema=schema_of(event_type))


def put(root, hour, *, event_type=OPEN, at=None):
    """Write a file of one event, whose id is `h` and the hour's number."""
    moment = FIRST + timedelta(hours=hour)
    path = write(root / file_key(event_type, moment, offset=int(2 * hour)), f"h{hour}", event_type)
    os.utime(path, ((at or moment).timestamp(),) * 2)
    return path


def ids(output):
    return sorted(message["record"]["id"] for message in output.of("RECORD"))


def failing(root, state=None, *, error=ConnectorError, **settings):
    """Run a tap that must fail; give it."""
    tap = make_tap(root, tap_class=TAP, catalog=CATALOG, state=state, **settings)
    with pytest.raises(error):
        tap.sync_all()
    return json.loads(json.dumps(tap.state))
