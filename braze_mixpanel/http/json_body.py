"""Read the JSON body of a response."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.lenient_json import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping


def json_object(content: bytes) -> Mapping[str, Any]:
    """Return the JSON object in a body. It is empty if the body holds no JSON object."""
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except UNREADABLE:
        return {}
