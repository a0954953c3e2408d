"""The names that the tap and the target share for streams of Braze Currents."""

from __future__ import annotations

from typing import Final

EVENT_TYPE_ANNOTATION: Final = "x-braze-event-type"
"""The key in a stream's JSON Schema with the event type in Braze's spelling."""


def stream_id(event_type: str) -> str:
    """Return the stream id of an event type, without dots, which separate select patterns."""
    return event_type.lower().replace(".", "_")
