"""Detect Braze's test events by their placeholder values. Pure.

"Send Test Events" on the page of a Current writes events whose text fields hold the name of the
field, such as `external_user_id`, sometimes followed by a UUID. They share one `id`, and their time
is in 2034.
Source: the sample files that Braze publishes for Currents.
"""

from __future__ import annotations

import re
from typing import Final

PLACEHOLDER_USER: Final = "external_user_id"
"""The beginning of every test event's external id."""
PLACEHOLDER_ID: Final = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
"""The `id` of test events."""

_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_is_placeholder_user = re.compile(
    rf"{PLACEHOLDER_USER}(?:[-_ :]?{_UUID})?", re.IGNORECASE
).fullmatch


def is_test_event(event_id: object, external_user_id: object) -> bool:
    """Return whether an event comes from Braze's "Send Test Events".

    Args:
        event_id: The `id` of the record.
        external_user_id: The external id of the record, or None.
    """
    if isinstance(event_id, str) and event_id.lower() == PLACEHOLDER_ID:
        return True
    return isinstance(external_user_id, str) and bool(_is_placeholder_user(external_user_id))
