"""Errors of a file's content."""

from __future__ import annotations

from braze_mixpanel.errors import InputError


class BrokenFileError(InputError):
    """A file cannot be read to its end; the message says where, if that is known."""


class TruncatedFileError(BrokenFileError):
    """The bytes end too early; with more of them the file may be whole."""


class NoEventsFileError(BrokenFileError):
    """The content is neither Avro nor JSON: the file holds no events of any known form."""
