"""A stream map that cannot be read ends a tap with one line, before anything is read."""

from __future__ import annotations

from typing import Any

import pytest

from braze_mixpanel.errors import SettingsError
from tap_braze_currents.tap import TapBrazeCurrents
from tap_mixpanel_cohorts.tap import TapMixpanelCohorts

TAPS: list[tuple[Any, str, dict[str, Any]]] = [
    (TapBrazeCurrents, "users_messages_email_open", {"storage_url": "sample_bucket"}),
    (TapMixpanelCohorts, "cohort_members", {"api_secret": "a-secret"}),
]
UNUSABLE: list[tuple[Any, str]] = [
    ({"new": "a +* b"}, r"parse expression a \+\* b"),
    ({"__filter__": "a +* b"}, r"parse expression a \+\* b"),
    ({"new": ""}, "an expression is empty"),
]


@pytest.mark.parametrize(("tap", "stream", "settings"), TAPS)
@pytest.mark.parametrize(("stream_map", "cause"), UNUSABLE)
def test_an_expression_that_cannot_be_read_is_one_line(
    tap, stream, settings, stream_map, cause
) -> None:
    with pytest.raises(SettingsError, match=cause) as caught:
        tap(config={**settings, "stream_maps": {stream: stream_map}})
    assert "\n" not in str(caught.value)


def test_a_map_that_removes_a_key_is_one_line() -> None:
    with pytest.raises(SettingsError, match="Removing key property 'id'"):
        TapBrazeCurrents(
            config={
                "storage_url": "sample_bucket",
                "stream_maps": {"users_messages_email_open": {"id": None}},
            }
        )
