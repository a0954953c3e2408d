"""Which variables count as misspelt settings."""

from __future__ import annotations

import pytest

from braze_mixpanel.settings.environment import misspelt_variables

PROPERTIES = {"region": {"type": "string"}, "inbox_db": {"type": "string"}}


@pytest.mark.parametrize(
    "variable",
    ["TAP_X_LOGLEVEL", "TAP_X_INBOX_LOGLEVEL", "TAP_X_INBOX_REGION", "TAP_X_INBOX_INBOX_DB"],
)
def test_variables_of_a_plugin_with_a_longer_name_are_no_mistakes(monkeypatch, variable):
    monkeypatch.setenv(variable, "x")
    assert misspelt_variables("TAP_X_", PROPERTIES, {}) == ([], [])


def test_a_variable_that_no_plugin_has_is_reported(monkeypatch):
    monkeypatch.setenv("TAP_X_REGIOM", "us")
    monkeypatch.setenv("TAP_X_ELSEWHERE", "us")
    mistakes, warnings = misspelt_variables("TAP_X_", PROPERTIES, {})
    assert "did you mean TAP_X_REGION" in mistakes[0]
    assert "TAP_X_ELSEWHERE names no setting" in warnings[0]
