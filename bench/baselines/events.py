"""The least mapping that gives a usable Mixpanel event; both target baselines share it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

_CUSTOM = {
    "users_behaviors_customevent": "[Custom event property] ",
    "users_behaviors_purchase": "[Purchase property] ",
}
_RENAMED = {"os_version": "$os", "device_model": "$device", "content_card_id": "card_id"}
_NOT_SENT = {"id", "external_user_id", "user_id", "timezone", "properties"}


def to_event(
    stream: str, record: dict[str, Any], loads: Callable[[str], dict[str, Any]]
) -> dict[str, Any]:
    """Map one record.

    Args:
        stream: Its stream.
        record: A Currents event.
        loads: Parses JSON text, as quickly as the caller likes.
    """
    properties = {
        _RENAMED.get(name, name): value
        for name, value in record.items()
        if value is not None and name not in _NOT_SENT
    }
    properties["$insert_id"] = record["id"]
    properties["distinct_id"] = record.get("external_user_id") or ""
    properties["$partner_id"] = "braze"
    properties["ip"] = 0
    event = stream
    if prefix := _CUSTOM.get(stream):
        for name, value in loads(record["properties"]).items():
            properties[prefix + name] = value
        if "name" in record:
            event = f"[Braze Custom Event] {record['name']}"
    return {"event": event, "properties": properties}
