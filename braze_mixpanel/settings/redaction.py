"""Masks secrets in every log line, also in those of other libraries."""

from __future__ import annotations

import json
import logging
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "(secret)"
_SHORTEST_SECRET = 4
"""Masking a one-letter password would mask that letter all over the log."""
_HOLD_NO_SECRET = frozenset(
    {
        "access",
        "account_name",
        "addressing_style",
        "anon",
        "aws_region",
        "consistency",
        "default_location",
        "endpoint_url",
        "location_mode",
        "project",
        "region",
        "region_name",
        "signature_version",
    }
)
"""Keys of `storage_options` whose values help to find a mistake and are not secret."""
_MAY_HOLD_SECRET = re.compile("[@?]")
"""In a URL, a password stands before @ and a signature after ?."""


def secret_values(settings: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """Collect the texts that must never appear in logs and errors.

    Args:
        settings: The plugin's settings.
        schema: Their JSON Schema; a property with `"secret": true` is secret with all its content.

    Returns:
        Every text in a secret setting, at any depth (`storage_options`), except those under keys
        that hold no secret, such as `endpoint_url`.
    """
    found: set[str] = set()
    for name, definition in schema.get("properties", {}).items():
        if definition.get("secret") and settings.get(name) is not None:
            found.update(_texts(settings[name]))
    return {text for text in found if len(text) >= _SHORTEST_SECRET}


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            if not _is_harmless(key, item):
                yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def _is_harmless(key: str, value: object) -> bool:
    return key in _HOLD_NO_SECRET and isinstance(value, str) and not _MAY_HOLD_SECRET.search(value)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret replaced by a mask, longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


class RedactingFormatter(logging.Formatter):
    """Masks secrets in the finished text of a log record, stack trace and JSON included."""

    def __init__(self, formatter: logging.Formatter | None, secrets: Iterable[str]) -> None:
        """Wrap a handler's own formatter.

        Args:
            formatter: The handler's formatter; None for the default one.
            secrets: The texts to mask.
        """
        super().__init__()
        self._formatter = formatter or logging.Formatter()
        self._secrets: set[str] = set()
        self.protect(secrets)

    def protect(self, secrets: Iterable[str]) -> None:
        """Mask these secrets too, also in the form that JSON gives them."""
        for secret in secrets:
            self._secrets |= {secret, json.dumps(secret)[1:-1]}

    def format(self, record: logging.LogRecord) -> str:
        """Return the text without secrets."""
        return redact(self._formatter.format(record), self._secrets)


def protect_logs(secrets: set[str]) -> None:
    """Make every handler of the root logger mask these secrets.

    Handlers, not loggers: a logger does not see what its children log.
    """
    if not secrets:
        return
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, RedactingFormatter):
            handler.formatter.protect(secrets)
        else:
            handler.setFormatter(RedactingFormatter(handler.formatter, secrets))
