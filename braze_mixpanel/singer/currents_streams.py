"""The names that the tap and the target share for streams of Braze Currents."""

from __future__ import annotations

from typing import Final

EVENT_TYPE_ANNOTATION: Final = "x-braze-event-type"
"""Key in a stream's JSON Schema that holds the exact event type."""


def stream_id(event_type: str) -> str:
    """Return the stream id of an event type; dots would break Meltano's select patterns."""
    return event_type.lower().replace(".", "_")
