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
DOCUMENTED = 84
COUNT = re.compile(r"(?:all|knows|as|compared with the) (\d{3})\b")
ANY_COUNT = re.compile(
    r"\b(\d{2,3}) (?:event types|types|on its page|of Braze|Singer streams|that the native)"
)
FEWEST = 50
"""Smaller numbers of types are of examples."""
TEXTS = [
    *sorted(
        path.relative_to(definitions.ROOT).as_posix() for path in definitions.ROOT.glob("*.md")
    ),
    *sorted(
        path.relative_to(definitions.ROOT).as_posix()
        for folder in ("docs", "hub", "examples")
        for path in (definitions.ROOT / folder).rglob("*")
        if path.suffix in {".md", ".yml", ".yaml", ".py"}
    ),
    "meltano.yml",
    "target_mixpanel/mapping/currents.py",
    "tools/definitions.py",
]


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


@pytest.mark.parametrize("name", TEXTS)
def test_no_text_gives_another_number_of_types(name):
    found = {
        int(count) for count in ANY_COUNT.findall((definitions.ROOT / name).read_text("utf-8"))
    }
    right = {TYPES, NATIVE, NEWEST_NATIVE, DOCUMENTED}
    assert {count for count in found if count >= FEWEST} <= right


def test_the_numbers_themselves_are_those_of_the_registry_and_the_mapping():
    mapping = documented_mapping().values()
    assert sum("fields" in entry for entry in mapping) == DOCUMENTED
    assert sum(bool(entry.get("native")) for entry in mapping) == NATIVE
    assert len(definitions.native_streams()) == NATIVE
    assert len(definitions.newest_native_streams()) == NEWEST_NATIVE


def test_the_newest_list_has_the_six_whatsapp_types_that_brazes_page_names():
    whatsapp = [one for one in definitions.newest_native_streams() if "whatsapp" in one]
    assert whatsapp == [
        f"users_messages_whatsapp_{action}.*"
        for action in ("abort", "delivery", "failure", "inboundreceive", "read", "send")
    ]


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
