"""A STATE of another shape is understood, or refused in one line."""

from __future__ import annotations

import json

import pytest

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.given_state import plain_state

STATE = {"bookmarks": {"users_messages_email_open": {"version": 1}}}


@pytest.mark.parametrize(
    "given",
    [
        STATE,
        {"singer_state": STATE},
        {"completed": {"singer_state": STATE}},
        {"completed": {"singer_state": STATE}, "partial": {}},
        {"type": "STATE", "value": STATE},
        {"bookmarks": {**STATE["bookmarks"], "users_canvas_entry": None}},
    ],
    ids=json.dumps,
)
def test_wrapped_states_and_null_bookmarks_are_understood(given) -> None:
    assert plain_state(given)["bookmarks"] == STATE["bookmarks"]


@pytest.mark.parametrize(
    "given", [{}, {"bookmarks": {}}, {"bookmarks": None}, {"singer_state": {}}], ids=json.dumps
)
def test_an_empty_state_is_a_new_start(given) -> None:
    assert plain_state(given)["bookmarks"] == {}


@pytest.mark.parametrize(
    "given",
    [{"streams": {}}, {"singer_state": "x"}, {"users": 1}, {"bookmarks": [1]}],
    ids=json.dumps,
)
def test_a_state_of_no_known_shape_is_refused(given) -> None:
    with pytest.raises(SettingsError, match="--state"):
        plain_state(given)
