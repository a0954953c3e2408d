"""Records that are too large to be read: whose they are, and their text for the dead letter.

A line can be a few megabytes long and, as objects, take gigabytes. Nothing here builds objects.
"""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from braze_mixpanel.lenient_json import UNREADABLE

UNREAD: Final = "unread"
"""The one field of a dead letter's record whose text is no JSON that everybody can read."""

_MOST_SMALL_BYTES: Final = 1000

_has_record = re.compile(rb'"record"\s*:').search


class _Message(msgspec.Struct):
    record: msgspec.Raw


_decode_message = msgspec.json.Decoder(_Message).decode
_decode_record = msgspec.json.Decoder(msgspec.Raw).decode


def without_record(line: bytes) -> bytes:
    """Return a RECORD message without its record: `{"type":"RECORD","stream":"orders"}`.

    Only the text before the record and behind its last brace is looked at, so that nothing in the
    record passes for a part of the message.

    Args:
        line: The message; its record may be nested too deep for any parser.
    """
    found = _has_record(line)
    if found is None:
        return line
    message = line.rstrip().removesuffix(b"}")
    behind = message[max(message.rfind(b"}"), found.end() - 1) + 1 :]
    parts = line[: found.start()].strip(b"{, \t"), behind.strip(b", \t")
    return b"{" + b",".join(filter(None, parts)) + b"}"


def unread_record(line: bytes, *, whole_message: bool) -> msgspec.Raw | dict[str, Any]:
    """Return the record of a line byte for byte, without reading it.

    Args:
        line: A RECORD message, or the JSON of a record alone.
        whole_message: Whether the line is a RECORD message.

    Returns:
        Its JSON. If the line is no strict JSON, or nested too deep for every parser: a record with
        the whole line as the text of the field `UNREAD`, so that the dead letter can be read.
    """
    try:
        line.decode()
        return _decode_message(line).record if whole_message else _decode_record(line)
    except UNREADABLE:
        return {UNREAD: line.decode("utf-8", "backslashreplace")}


def small_value(line: bytes, field: str) -> object:
    """Return one field of the record in a RECORD message, without reading the others.

    Args:
        line: The message.
        field: The field's name.

    Returns:
        Its value; None if it is missing or long itself, or if the line cannot be read.
    """
    record = msgspec.defstruct("Record", [("value", msgspec.Raw)], rename={"value": field})
    message = msgspec.defstruct("Message", [("record", record)])
    try:
        decoded: Any = msgspec.json.decode(line, type=message)
        value = decoded.record.value
        return msgspec.json.decode(value) if len(value) <= _MOST_SMALL_BYTES else None
    except UNREADABLE:
        return None
