"""Recognises the placeholder values of Braze's test events. Pure.

"Send Test Events" on a Current's page writes events whose text fields hold the field's own name,
such as `external_user_id`, some with a UUID behind it, and one fixed `id` with a time in 2034.
Source: the sample files that Braze publishes for Currents.
"""

from __future__ import annotations

import re
from typing import Final

PLACEHOLDER_USER: Final = "external_user_id"
"""How the external id of every test event begins."""
PLACEHOLDER_ID: Final = "f47ac10b-58cc-4372-a567-0e02b2c3d479"
"""The `id` that test events share."""

_UUID = "[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}"
_is_placeholder_user = re.compile(
    rf"{PLACEHOLDER_USER}(?:[-_ :]?{_UUID})?", re.IGNORECASE
).fullmatch


def is_test_event(event_id: object, external_user_id: object) -> bool:
    """Return whether an event comes from Braze's "Send Test Events".

    Args:
        event_id: The record's `id`.
        external_user_id: Its external id; None if it has none.
    """
    if isinstance(event_id, str) and event_id.lower() == PLACEHOLDER_ID:
        return True
    return isinstance(external_user_id, str) and bool(_is_placeholder_user(external_user_id))
