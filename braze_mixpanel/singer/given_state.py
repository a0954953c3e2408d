"""Read a STATE in the forms in which Singer programs store it. Pure."""

from __future__ import annotations

from typing import Any

from braze_mixpanel.errors import SettingsError

_WRAPPINGS = ("singer_state", "completed", "value")
"""Meltano keeps a STATE in `completed` and `singer_state`; a STATE message has it in `value`."""
_MOST_WRAPPINGS = 3


def plain_state(content: dict[str, Any]) -> dict[str, Any]:
    """Return a STATE without the objects that Singer programs put around it.

    Raises:
        SettingsError: The form is not known. If it were ignored, everything would be read again.
    """
    state: Any = content
    for _ in range(_MOST_WRAPPINGS):
        inner = next((state[key] for key in _WRAPPINGS if key in state), None)
        if "bookmarks" in state or inner is None:
            break
        state = inner
        if not isinstance(state, dict):
            break
    if not isinstance(state, dict) or (state and "bookmarks" not in state):
        raise SettingsError(
            "--state has no bookmarks, so this tap did not write it: give the value of its last "
            "STATE message, or leave --state out to read everything."
        )
    bookmarks = state.get("bookmarks") or {}
    if not isinstance(bookmarks, dict):
        raise SettingsError("--state has bookmarks that are not a JSON object: fix the file.")
    # A null bookmark is dropped: its stream starts again, and the run does not fail.
    return {**state, "bookmarks": {name: known for name, known in bookmarks.items() if known}}
