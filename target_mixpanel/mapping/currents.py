"""Map Braze Currents records to Mixpanel events. Pure: the same record gives the same event.

Source: the Mixpanel tabs of Braze's Currents event glossaries. `event_mapping.json` holds their
content: for 84 event types the event name and the fields (`native` marks the 54 that Braze's own
connector sends). Types without `fields` are not documented for Mixpanel. Their event name, and the
name of each type that Braze adds later, is built from the type by the same rules.

`fast_lane` is the second half of this module. It gives the same bytes for ordinary records, faster.
"""

from __future__ import annotations

import json
import re
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

import msgspec

from braze_mixpanel.identifiers import id_text
from braze_mixpanel.lenient_json import UNREADABLE
from braze_mixpanel.singer.currents_streams import stream_id
from target_mixpanel.mapping.event import (
    NOBODY,
    RESERVED_NAMES,
    Event,
    SkippedEvent,
    id_or_wrong,
    name_is_reserved,
    name_is_taken,
    time_or_wrong,
)
from target_mixpanel.mapping.placeholders import is_test_event
from target_mixpanel.mapping.rules import FORBIDDEN_IDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

Record = dict[str, Any]

CUSTOM_EVENT: Final = "users.behaviors.CustomEvent"
PURCHASE: Final = "users.behaviors.Purchase"
ALWAYS_ANONYMOUS: Final = frozenset({"users.messages.landingpage.Impression"})
"""Event types without a known user. Braze's SQL table reference says that they cannot be joined on
`user_id`. The field may hold a placeholder, which must not become one Mixpanel user with all these
events. An external id is used if there is one."""
PROPERTY_PREFIXES: Final = {
    CUSTOM_EVENT: "[Custom event property]",
    PURCHASE: "[Purchase property]",
}
"""Event types whose field `properties` is JSON text → the prefix for the keys in it."""

RENAMED_FIELDS: Final = {
    "device_model": "$device",
    "os_version": "$os",
    "content_card_id": "card_id",
}
IDENTITY_FIELDS: Final = frozenset({"id", "external_user_id", "time"})
NEVER_SENT: Final = frozenset({"user_id", "timezone", "canvas_step_message_variation_id"})
PARTNER_ID: Final = "braze"

TEST_EVENT: Final = "test event"
TEST_EVENT_CHOICES: Final = ("skip", "send")
ANONYMOUS: Final = "anonymous"
ANONYMOUS_WITHOUT_DEVICE: Final = "anonymous without device_id"
ANONYMOUS_WITHOUT_BRAZE_ID: Final = "anonymous without user_id"

UNPARSED: Final = "properties are no JSON object, sent as text"

_SILENT_SEGMENTS = frozenset({"users", "behaviors", "app", "messages"})
_SEGMENT_WORDS = {
    "agentconsole": "Agent Console",
    "campaigns": "Campaign",
    "canvasstep": "Canvas Step",
    "contentcard": "Content Card",
    "contentoptimizer": "Content Optimizer",
    "costep": "Canvas Content Optimizer Step",
    "experimentstep": "Experiment Step",
    "featureflag": "Feature Flag",
    "inappmessage": "In-App Message",
    "landingpage": "Landing Page",
    "line": "LINE",
    "liveactivity": "Live Activity",
    "newsfeedcard": "News Feed Card",
    "pushnotification": "Push Notification",
    "rcs": "RCS",
    "sms": "SMS",
    "subscriptiongroup": "Subscription Group",
    "whatsapp": "WhatsApp",
}
_CAMEL_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*|[a-z0-9]+|[^\W_a-zA-Z0-9]+")
_parse_json = msgspec.json.Decoder().decode


@cache
def documented_mapping() -> Mapping[str, Mapping[str, Any]]:
    """Return the known event types: type → `event`, and for documented types `fields`, `native`."""
    text = resources.files(__package__).joinpath("event_mapping.json").read_text("utf-8")
    mapping: dict[str, dict[str, Any]] = json.loads(text)
    return mapping


@cache
def native_events() -> frozenset[str]:
    """Return the names of the events that Braze's own connector sends."""
    known = documented_mapping().values()
    return frozenset(entry["event"] for entry in known if entry.get("native"))


@cache
def _known_types_by_stream() -> Mapping[str, str]:
    return {stream_id(event_type): event_type for event_type in documented_mapping()}


def find_unknown_types(event_types: Iterable[str]) -> list[str]:
    """Return the event types that the mapping does not have.

    Args:
        event_types: Event types or stream ids, in any letter case.
    """
    known = _known_types_by_stream()
    return [event_type for event_type in event_types if stream_id(event_type) not in known]


def event_type_of_stream(stream: str) -> str | None:
    """Return the Currents event type of a stream whose SCHEMA has no annotation.

    Only ids of known event types count. Streams of another tap may begin with `users` too; if they
    counted as Currents, all their records would be skipped as anonymous.

    Args:
        stream: A stream id in the form of tap-braze-currents, in any letter case.

    Returns:
        The event type, or None if the stream is not a known Currents stream.
    """
    return _known_types_by_stream().get(stream_id(stream))


def event_type_of_annotation(annotation: object) -> str | None:
    """Return the event type that the annotation in a stream's SCHEMA names.

    Args:
        annotation: The value of the annotation. Unknown types count too: Braze adds types every
            month.

    Returns:
        The event type, in Braze's spelling if it is known. None if the value is not a type.
    """
    if not isinstance(annotation, str) or not annotation.strip(" ."):
        return None
    event_type = annotation.strip()
    return _known_types_by_stream().get(stream_id(event_type), event_type)


def event_name(event_type: str) -> str:
    """Return the Mixpanel event name of an event type: the documented name, or one in its style.

    Args:
        event_type: For example `users.messages.email.Retry`.

    Returns:
        The name, here "Email Retry". For custom events, the part before the event's own name.
    """
    known = documented_mapping().get(event_type)
    return str(known["event"]) if known else name_in_documented_style(event_type)


def name_in_documented_style(event_type: str) -> str:
    """Build a name for an undocumented type: the words of the channel, then of the action."""
    *channel, action = (segment.strip() for segment in event_type.split("."))
    words = [
        _channel_words(segment)
        for segment in channel
        if segment and segment.lower() not in _SILENT_SEGMENTS
    ]
    split_action = [word[:1].upper() + word[1:] for word in _CAMEL_WORD.findall(action)]
    name = " ".join([*words[-1:], *split_action])
    return name or event_type


def _channel_words(segment: str) -> str:
    return _SEGMENT_WORDS.get(segment.lower(), segment[:1].upper() + segment[1:])


class CurrentsMapper:
    """Map the records of one event type to events."""

    def __init__(
        self,
        event_type: str,
        *,
        anonymous_events: str = "skip",
        test_events: str = "skip",
        property_set: str = "documented",
        event_names: Mapping[str, str] | None = None,
        project_token: str | None = None,
    ) -> None:
        """Prepare the parts that are the same for every record.

        Args:
            event_type: The Currents event type.
            anonymous_events: How to handle events without an external id: one of
                `ANONYMOUS_CHOICES`. For the types in `ALWAYS_ANONYMOUS`, every value except `skip`
                means `nobody`.
            test_events: Whether to `skip` or `send` events from "Send Test Events".
            property_set: `documented` or `all`.
            event_names: Event type or stream id → another Mixpanel event name. For custom events,
                the text before the event's own name; it may be empty.
            project_token: Sent as the property `token` if it is set.
        """
        self.event_type = event_type
        names = {stream_id(key): name for key, name in (event_names or {}).items()}
        name = names.get(stream_id(event_type))
        self.event = event_name(event_type) if name is None else name
        self.remarks: list[str] = []
        self._prefix = PROPERTY_PREFIXES.get(event_type)
        self._skips_test_events = test_events == "skip"
        if event_type in ALWAYS_ANONYMOUS and anonymous_events != "skip":
            anonymous_events = "nobody"
        self._identify_anonymous = _ANONYMOUS_IDENTITIES[anonymous_events]
        self.constants: Record = {"$partner_id": PARTNER_ID, "ip": 0}
        if project_token:
            self.constants["token"] = project_token
        documented = documented_mapping().get(event_type)
        self.documented_fields: tuple[tuple[str, str], ...] | None = None
        """Pairs of Mixpanel property and record field to send. None: send all fields."""
        if documented and "fields" in documented and property_set == "documented":
            self.documented_fields = tuple(
                (RENAMED_FIELDS.get(field, field), field) for field in documented["fields"]
            )
        self._not_properties = NEVER_SENT | IDENTITY_FIELDS | RENAMED_FIELDS.keys()
        if self._prefix:
            self._not_properties |= {"properties"}
        if event_type == CUSTOM_EVENT:
            self._not_properties |= {"name"}

    def __call__(self, record: Record) -> Event | SkippedEvent:
        """Map one record.

        Args:
            record: A Currents record. All fields except `id` and `time` may be missing.

        Returns:
            The event, or the reason why it is skipped. A missing or wrong `id` or `time` is passed
            on, and `rules` rejects the event.
        """
        name = self.event
        if self.event_type == CUSTOM_EVENT and record.get("name"):
            name = f"{name} {record['name']}".lstrip()
        event_id, distinct_id = record.get("id"), record.get("external_user_id")
        if self._skips_test_events and is_test_event(event_id, distinct_id):
            return SkippedEvent(name, TEST_EVENT)
        # The order of the properties is part of the result: `fast_lane` must give the same bytes.
        properties: Record = {
            **self.constants,
            "time": time_or_wrong(record.get("time")),
            "distinct_id": id_or_wrong(record.get("external_user_id")),
            "$insert_id": id_or_wrong(record.get("id")),
        }
        if properties["distinct_id"] is None:
            skipped = self._identify_anonymous(record, properties)
            if skipped:
                return SkippedEvent(name, skipped)
            if properties.get("distinct_id") == "":
                self.remarks.append(NOBODY)
        if self.documented_fields is None:
            self._add_all_fields(record, properties)
        else:
            get = record.get
            for mixpanel_property, field in self.documented_fields:
                if (value := get(field)) is not None:
                    properties[mixpanel_property] = value
        if self._prefix:
            self._add_custom_properties(record.get("properties"), properties)
        return Event(name, properties)

    def _add_all_fields(self, record: Record, properties: Record) -> None:
        for field, name in RENAMED_FIELDS.items():
            if (value := record.get(field)) is not None:
                properties[name] = value
        hidden = self._not_properties
        for field, value in record.items():
            if value is None or field in hidden:
                continue
            if field in properties:
                self.remarks.append(name_is_taken(field))
            elif field in RESERVED_NAMES:
                self.remarks.append(name_is_reserved(field))
            else:
                properties[field] = value

    def _add_custom_properties(self, source: object, properties: Record) -> None:
        if source is None:
            return
        values = source
        if isinstance(source, str):
            try:
                values = _parse_json(source)
            except UNREADABLE:
                values = None
        if isinstance(values, dict):
            prefix = self._prefix
            for key, value in values.items():
                if value is not None:
                    properties[f"{prefix} {key}"] = value
            return
        self.remarks.append(UNPARSED)
        properties[str(self._prefix)] = source


def _skip_anonymous(_record: Record, _properties: Record) -> str | None:
    return ANONYMOUS


def _identify_by_device(record: Record, properties: Record) -> str | None:
    device_id = id_text(record.get("device_id"))
    # A word for no device, or zeros, would make one person of everybody who has it.
    if device_id is None or device_id.strip().lower() in FORBIDDEN_IDS:
        return ANONYMOUS_WITHOUT_DEVICE
    properties["distinct_id"] = f"$device:{device_id}"
    properties["$device_id"] = device_id
    return None


def _identify_by_braze_id(record: Record, properties: Record) -> str | None:
    user_id = id_text(record.get("user_id"))
    if user_id is None:
        return ANONYMOUS_WITHOUT_BRAZE_ID
    properties["distinct_id"] = user_id
    return None


def _identify_as_nobody(_record: Record, properties: Record) -> str | None:
    """Set an empty id, as Mixpanel's documentation advises for events without a user."""
    properties["distinct_id"] = ""
    return None


_ANONYMOUS_IDENTITIES: Final[Mapping[str, Callable[[Record, Record], str | None]]] = {
    "skip": _skip_anonymous,
    "device_id": _identify_by_device,
    "braze_id": _identify_by_braze_id,
    "nobody": _identify_as_nobody,
}
ANONYMOUS_CHOICES: Final = tuple(_ANONYMOUS_IDENTITIES)
