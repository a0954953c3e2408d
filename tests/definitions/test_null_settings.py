"""Null is no value: a setting that is null has its default."""

from __future__ import annotations

from typing import Any

import pytest

from tap_braze_currents.tap import TapBrazeCurrents
from tap_mixpanel_cohorts.tap import TapMixpanelCohorts
from target_braze_cohorts.target import TargetBrazeCohorts
from target_mixpanel.mapping.event import Event
from target_mixpanel.mapping.other_streams import OtherStreamMapper
from target_mixpanel.target import TargetMixpanel
from tools import definitions

NEEDED: dict[type[Any], dict[str, Any]] = {
    TapBrazeCurrents: {"storage_url": "sample_bucket"},
    TargetMixpanel: {"project_token": "token"},
    TapMixpanelCohorts: {"inbox_db": "sqlite:///inbox.db"},
    TargetBrazeCohorts: {"instance": "US-01", "api_key": "key"},
}


@pytest.mark.parametrize("plugin", NEEDED, ids=lambda plugin: plugin.name)
def test_a_setting_that_is_null_has_its_default(plugin: type[Any]) -> None:
    nulls = dict.fromkeys(definitions.settings_of(plugin.name)) | NEEDED[plugin]
    assert dict(plugin(config=nulls).config) == dict(plugin(config=NEEDED[plugin]).config)


def test_a_part_of_a_stream_that_is_null_is_not_set() -> None:
    parts: dict[str, Any] = {"event": "Order", "distinct_id": None, "time": "at", "insert_id": None}
    schema = {"properties": {"id": {}, "at": {}}}
    event = OtherStreamMapper("orders", parts, schema=schema, key_properties=["id"])(
        {"id": "a1", "at": 1762000000}
    )
    assert isinstance(event, Event)
    assert (event.properties["distinct_id"], event.properties["$insert_id"]) == ("", "a1")
