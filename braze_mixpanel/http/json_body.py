"""What answers of web services have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.lenient_json import UNREADABLE

if TYPE_CHECKING:
    from collections.abc import Mapping


def json_object(content: bytes) -> Mapping[str, Any]:
    """Read the JSON object in a body; empty if it holds none."""
    try:
        return msgspec.json.decode(content, type=dict[str, Any])
    except UNREADABLE:
        return {}
