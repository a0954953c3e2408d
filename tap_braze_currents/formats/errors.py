"""Errors about the content of a file."""

from __future__ import annotations

from braze_mixpanel.errors import InputError


class BrokenFileError(InputError):
    """A file cannot be read to its end. The message names the position if it is known."""


class TruncatedFileError(BrokenFileError):
    """The bytes end too early. If only a part of the file was read, the file may be complete."""


class NoEventsFileError(BrokenFileError):
    """The content is neither Avro nor JSON, so the file holds no events."""
