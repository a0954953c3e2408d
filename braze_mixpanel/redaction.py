"""Secrets stay out of every log line, whatever library writes it."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "(secret)"
_SHORTEST_SECRET = 4
"""Masking every "a" of a log because somebody set a one-letter password helps nobody."""


def secret_values(settings: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """Collect the texts that must never be shown.

    Args:
        settings: The plugin's settings.
        schema: Their JSON Schema; a property with `"secret": true` is one, with all it contains.

    Returns:
        Every text in a secret setting, however deeply nested (``storage_options``).
    """
    found: set[str] = set()
    for name, definition in schema.get("properties", {}).items():
        if definition.get("secret") and settings.get(name) is not None:
            found.update(_texts(settings[name]))
    return {text for text in found if len(text) >= _SHORTEST_SECRET}


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _texts(item)


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret replaced by a mask, longest first."""
    for secret in sorted(secrets, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


class RedactingFilter(logging.Filter):
    """Masks secrets in the finished message and in the stack trace of a log record."""

    def __init__(self, secrets: set[str]) -> None:
        """Start with the secrets known so far."""
        super().__init__()
        self.secrets = secrets

    def filter(self, record: logging.LogRecord) -> bool:
        """Rewrite the record in place; every record passes."""
        if self.secrets:
            message = record.getMessage()
            clean = redact(message, self.secrets)
            if clean != message:
                record.msg, record.args = clean, None
            if record.exc_info:
                trace = record.exc_text or logging.Formatter().formatException(record.exc_info)
                record.exc_text = redact(trace, self.secrets)
        return True


def protect_logs(secrets: set[str]) -> None:
    """Make every handler of the root logger mask these secrets.

    Handlers, not loggers: a filter on a logger does not see what its children log.
    """
    if not secrets:
        return
    for handler in logging.getLogger().handlers:
        for existing in handler.filters:
            if isinstance(existing, RedactingFilter):
                existing.secrets |= secrets
                break
        else:
            handler.addFilter(RedactingFilter(set(secrets)))
