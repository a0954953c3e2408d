"""docs/operations.md describes the summary, and summary.schema.json is its JSON Schema."""

from __future__ import annotations

import re
from datetime import datetime, timezone

from braze_mixpanel.errors import ConnectorError
from braze_mixpanel.summary.content import (
    OUTCOMES,
    UNFORESEEN,
    VERSION,
    Course,
    RunFacts,
    summarize,
)
from tap_braze_currents.tap import TapBrazeCurrents
from target_braze_cohorts.run.summary_facts import run_facts as cohort_facts
from target_mixpanel.run.summary_facts import run_facts as mixpanel_facts
from tests.docs.summary_table import SCHEMA, SECTION, documented_counts

JSON_TYPES = {
    "integer": "integer",
    "number": "number",
    "text": "string",
    "time": "string",
    "true or false": "boolean",
    "object": "object",
    "list": "array",
}


def summary():
    now = datetime(2026, 11, 27, tzinfo=timezone.utc)
    return summarize(Course("target-mixpanel", "0.1.0", now, now, 0, None), RunFacts())


def fields():
    """Field → the types that the table gives."""
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \|", SECTION, re.MULTILINE)
    found = {}
    for name, kind in rows:
        plain = kind.removesuffix(" or null")
        found[name] = {JSON_TYPES[plain], *(["null"] if plain != kind else [])}
    return found


def test_the_table_has_exactly_the_fields_of_a_summary_in_their_order():
    assert list(fields()) == list(summary()) == SCHEMA["required"] == list(SCHEMA["properties"])


def test_the_table_gives_the_types_of_the_schema():
    for name, kinds in fields().items():
        definition = SCHEMA["properties"][name]
        if "type" not in definition:
            values = definition.get("enum", [definition.get("const")])
            expected = {"string" if isinstance(value, str) else "integer" for value in values}
        else:
            given = definition["type"]
            expected = set(given if isinstance(given, list) else [given])
        assert kinds == expected, name


def test_the_table_names_each_outcome_with_its_exit_code():
    codes = {kind.exit_code for kind in ConnectorError.__subclasses__()} | {0}
    assert set(OUTCOMES) == codes
    for code, word in OUTCOMES.items():
        assert f"`{word}` ({code})" in SECTION
    assert SCHEMA["properties"]["outcome"]["enum"] == [*OUTCOMES.values(), UNFORESEEN]
    assert SCHEMA["properties"]["version"]["const"] == VERSION


def test_the_table_names_the_counts_of_each_plugin():
    sent = mixpanel_facts(None, now=0.0, dry_run=False)
    assert documented_counts("target-mixpanel") == list(sent.counts)
    cohorts = cohort_facts(None, dry_run=False, dead_letter=None, state_covers_until=None)
    assert documented_counts("target-braze-cohorts") == list(cohorts.counts)
    tap = TapBrazeCurrents(config={"storage_url": "x"}, setup_mapper=False)
    assert dict(tap.run_facts().counts) == {}  # as the text says of a tap that has not begun
