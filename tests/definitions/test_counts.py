"""Every place that says how many event types there are says the same number."""

from __future__ import annotations

import json
import re

import pytest

from tap_braze_currents.catalog.event_types import registry
from target_mixpanel.mapping.currents import documented_mapping
from tests.currents_generator import event_types
from tools import definitions

TYPES = 108
NATIVE = 54
NEWEST_NATIVE = 57
COUNT = re.compile(r"(?:all|knows|as) (\d{3})\b")


def test_registry_mapping_and_generator_have_the_same_event_types():
    assert len(registry()) == TYPES
    assert set(documented_mapping()) == set(registry()) == set(event_types())


@pytest.mark.parametrize(
    "name", ["README.md", "CHANGELOG.md", "docs/own-project.md", "docs/currents.md"]
)
def test_every_text_gives_the_number_of_types_in_the_registry(name):
    counts = COUNT.findall((definitions.ROOT / name).read_text("utf-8"))
    assert counts
    assert set(counts) == {str(TYPES)}


def test_the_hub_selects_the_older_native_list_and_offers_the_newest():
    older = json.loads((definitions.ROOT / definitions.NATIVE_EVENTS).read_text("utf-8"))
    newest = json.loads((definitions.ROOT / definitions.NEWEST_NATIVE_EVENTS).read_text("utf-8"))
    readme = (definitions.ROOT / "README.md").read_text("utf-8")
    streams = {f"{event_type.stream_id}.*" for event_type in registry().values()}
    assert (len(set(older)), len(set(newest))) == (NATIVE, NEWEST_NATIVE)
    assert set(older) | set(newest) <= streams
    assert f"the {NATIVE} event types" in readme
    assert f"the {NEWEST_NATIVE} of Braze" in readme


def test_what_no_file_has_shown_yet_is_marked_in_the_registry():
    announced = {
        name
        for name, event_type in registry().items()
        if all(field.announced for field in event_type.fields)
    }
    assert announced == {
        "contentoptimizer.ComponentStore",
        "users.canvas.costep.Conversion",
        "users.messages.landingpage.Click",
        "users.messages.landingpage.FormSubmission",
        "users.messages.landingpage.Impression",
        "users.messages.survey.Response",
    }
    opened = {field.name: field for field in registry()["users.messages.email.Open"].fields}
    assert opened["send_time"].announced
    assert opened["send_time"].current
    assert not opened["id"].announced
