"""Map records of other taps to Mixpanel events, as the setting `streams` describes. Pure."""

from __future__ import annotations

import difflib
import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.identifiers import id_text, whole_numbers
from target_mixpanel.mapping.event import (
    NOBODY,
    RESERVED_NAMES,
    Event,
    RejectedEvent,
    id_or_wrong,
    name_is_reserved,
    name_is_taken,
    time_or_wrong,
)
from target_mixpanel.mapping.rules import FORBIDDEN_IDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Record = dict[str, Any]

MAX_INSERT_ID = 36
NO_NAME = "no event name"
FIELD_PARTS = ("distinct_id", "time", "insert_id")
"""Parts of the setting that are always names of fields. `event` is not one of them: it may also be
an event name, so a misspelt field cannot be detected."""
SOME_FIELDS = 10
_encode = msgspec.json.Encoder(order="sorted").encode


class OtherStreamMapper:
    """Map the records of one stream that is not from Currents.

    The parts of an event come from the fields that the setting names. `event` is the event's name,
    unless the stream has a field called so: then this field holds the name. All other fields become
    properties under their own names. Null values are left out.
    """

    def __init__(
        self,
        stream: str,
        setting: Mapping[str, str],
        *,
        schema: Mapping[str, Any],
        key_properties: Sequence[str],
        project_token: str | None = None,
    ) -> None:
        """Prepare the parts that are the same for every record.

        Args:
            stream: The name of the stream.
            setting: The stream's entry in the setting `streams`: `event`, `time`, and perhaps
                `distinct_id` and `insert_id`.
            schema: The JSON Schema of the stream's records.
            key_properties: The key fields. They give the event's id if `insert_id` is not set.
            project_token: Sent as the property `token` if it is set.
        """
        self.event = setting["event"]
        self.remarks: list[str] = []
        fields = schema["properties"]
        self._stream = stream
        self._event_field = self.event if self.event in fields else None
        self._distinct_id, self._time = setting.get("distinct_id"), setting["time"]
        insert_id = setting.get("insert_id")
        self._id_fields = (insert_id,) if insert_id else tuple(key_properties)
        self._used = {self._distinct_id, self._time, insert_id, self._event_field}
        self._fields = list(fields)
        self._missing = _undeclared_parts(setting, schema)
        self._constants: Record = {"ip": 0}
        if project_token:
            self._constants["token"] = project_token

    def __call__(self, record: Record) -> Event | RejectedEvent:
        """Map one record. `rules` checks the result.

        Returns:
            The event, or a rejected event if the field for its name is empty.

        Raises:
            SettingsError: Neither the schema nor the record has a field that the setting names.
        """
        if self._missing:
            self._look_for_missing(record)
        name = _name_of(record.get(self._event_field)) if self._event_field else self.event
        if name is None:
            return RejectedEvent(
                self._stream, NO_NAME, "event", f"the field {self._event_field} holds no text"
            )
        distinct_id = id_or_wrong(record.get(self._distinct_id)) if self._distinct_id else None
        if distinct_id is None:
            self.remarks.append(NOBODY)
        properties: Record = {
            "time": time_or_wrong(record.get(self._time)),
            "distinct_id": "" if distinct_id is None else distinct_id,
            "$insert_id": self._insert_id(record),
            **self._constants,
        }
        for field, value in record.items():
            if value is None or field in self._used:
                continue
            if field in properties:
                self.remarks.append(name_is_taken(field))
            elif field in RESERVED_NAMES:
                self.remarks.append(name_is_reserved(field))
            else:
                properties[field] = value
        return Event(name, properties)

    def _look_for_missing(self, record: Record) -> None:
        """Raise if a field of the setting is neither in the schema nor in this record."""
        self._missing = {
            part: field for part, field in self._missing.items() if field not in record
        }
        if self._missing:
            part, field = next(iter(self._missing.items()))
            close = difflib.get_close_matches(field, self._fields, n=1)
            hint = f"did you mean {close[0]}? " if close else ""
            some = ", ".join(self._fields[:SOME_FIELDS])
            more = ", …" if len(self._fields) > SOME_FIELDS else ""
            raise SettingsError(
                f"Setting streams.{self._stream}.{part} names the field {field}, which stream "
                f"{self._stream} does not have: {hint}Its fields are {some}{more}."
            )

    def _insert_id(self, record: Record) -> object:
        """Return the `$insert_id` of a record.

        One field is sent unchanged if Mixpanel accepts it as an id, or as a digest otherwise. Of
        several key fields, or of the whole record if there is no key, the digest is sent. None
        means that a key field is null, and `rules` rejects the event.

        The digest must never change: Mixpanel recognises an event that is sent twice by this id.
        """
        values: list[Any] = [record.get(field) for field in self._id_fields] or [record]
        if len(self._id_fields) == 1:
            text = id_text(values[0])
            if text is None and not isinstance(values[0], float):
                return id_or_wrong(values[0])
            if text is not None and _is_insert_id(text):
                return text
            values = [text or values[0]]  # a float with a fraction is as good as text in a digest
        elif None in values:
            return None
        parts = _encode([self._stream, whole_numbers(values)])
        return hashlib.blake2b(parts, digest_size=16).hexdigest()


def _is_insert_id(text: str) -> bool:
    plain = text.replace("-", "").isalnum() and text.isascii() and len(text) <= MAX_INSERT_ID
    return plain and text.lower() not in FORBIDDEN_IDS


def _undeclared_parts(setting: Mapping[str, str], schema: Mapping[str, Any]) -> dict[str, str]:
    """Return the parts of the setting whose fields are not in the schema.

    Empty if the schema allows fields that it does not list.
    """
    fields = schema["properties"]
    if not fields or schema.get("additionalProperties") or schema.get("patternProperties"):
        return {}
    return {
        part: field
        for part, field in setting.items()
        if part in FIELD_PARTS and field is not None and field not in fields
    }


def _name_of(value: object) -> str | None:
    """Return an event's name, or None for null, a boolean, a list, an object or blank text."""
    is_name = isinstance(value, (str, int, float)) and not isinstance(value, bool)
    name = str(value).strip() if is_name else ""
    return str(value) if name else None
