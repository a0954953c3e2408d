"""SECURITY.md names each limit with the value that it has in the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from braze_mixpanel import clean_text, lenient_json, tables
from braze_mixpanel.http import bounded_session
from braze_mixpanel.singer import line_blocks, plugin
from braze_mixpanel.stores import listing
from tap_braze_currents.formats import limits
from tap_mixpanel_cohorts.inbox import app, connections, push
from tap_mixpanel_cohorts.query import connection
from target_mixpanel.run import pipeline
from target_mixpanel.target import TargetMixpanel

TEXT = (Path(__file__).parents[2] / "SECURITY.md").read_text("utf-8")
MODULES = (
    *(clean_text, tables, bounded_session, lenient_json, line_blocks, plugin),
    *(limits, app, connections, push, connection, listing),
)
UNITS = {"KiB": 1 << 10, "MiB": 1 << 20, "MB": 10**6}
_NAME = re.compile(r"`([A-Z][A-Z_]{5,})`")


def value_of(name: str) -> float:
    # What else has the same name is no limit on what comes from outside.
    first = next(module for module in (limits, bounded_session, *MODULES) if hasattr(module, name))
    return getattr(first, name)


@pytest.mark.parametrize("name", sorted(set(_NAME.findall(TEXT))))
def test_a_limit_that_is_named_has_its_value(name) -> None:
    value = value_of(name)
    shown = {
        f"{value:,.0f}",
        *(f"{value / size:,.0f} {unit}" for unit, size in UNITS.items() if not value % size),
    }
    (line,) = [line for line in TEXT.splitlines() if f"`{name}`" in line]
    assert any(re.search(rf"(?<![\d,]){re.escape(form)}(?![\d,])", line) for form in shown), shown


@pytest.mark.parametrize(
    "name", [name for name in vars(limits) if name.isupper() and not name.startswith("_")]
)
def test_every_limit_of_a_file_is_named(name) -> None:
    assert f"`{name}`" in TEXT


def test_what_has_no_name_there_has_its_value_too() -> None:
    assert connection.MOST_ANSWER_BYTES == 64_000_000
    assert "64 MB from the query API" in TEXT
    assert pipeline.GRACE_SECONDS == 60
    assert TargetMixpanel.most_seconds_to_stop == 65
    assert "within 65 s: it settles what is in flight for up to 60 s" in TEXT
