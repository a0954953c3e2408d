"""Mask secrets in all log lines, also in the lines of other libraries."""

from __future__ import annotations

import copy
import logging
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from braze_mixpanel.clean_text import Lines, lines
from braze_mixpanel.settings.spellings import spellings_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MASK = "(secret)"
_SHORTEST_SECRET = 4
"""Shorter secrets are not masked: to mask a one-letter password would mask this letter in the
whole log."""
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
"""Keys of `storage_options` whose values are not secret and help to find a mistake."""
_MAY_HOLD_SECRET = re.compile("[@?]")
"""In a URL, a password is before `@`, and a signature is after `?`."""


def secret_values(settings: Mapping[str, Any], schema: Mapping[str, Any]) -> set[str]:
    """Return the texts that must never be in logs and errors.

    Args:
        settings: The settings of the plugin.
        schema: The JSON Schema of the settings. A property with `"secret": true` is secret with all
            its content.

    Returns:
        All texts in secret settings, at any depth (`storage_options`), except for the values of
        keys without secrets, such as `endpoint_url`.
    """
    found: set[str] = set()
    for name, definition in schema.get("properties", {}).items():
        if definition.get("secret") and settings.get(name) is not None:
            found.update(_texts(settings[name]))
        elif settings.get(name) is not None:
            found |= secrets_in_urls(settings[name])
    batch = settings.get("batch_config")
    if isinstance(batch, dict) and isinstance(batch.get("storage"), dict):
        found.update(_texts(batch["storage"].get("params")))
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


_url_user = re.compile(r"://[^/\s?#\"'<>]*@")
_signature = re.compile(
    r"([?&](?:sig|x-amz-signature|x-amz-credential|x-amz-security-token|x-goog-signature"
    r"|x-goog-credential|signature|token|access_token|key|api_key|secret|password)=)[^&\s\"'<>]+",
    re.IGNORECASE,
)
_authorization = re.compile(r"\b(Basic|Bearer) [A-Za-z0-9+/=._~-]{4,}")
_secret_variable = re.compile("SECRET|TOKEN|PASSW|_KEY|CREDENTIAL|CONNECTION_STRING|(^|_)SAS")
_names_a_file = re.compile("(_FILE|_PATH|_DIR|^GOOGLE_APPLICATION_CREDENTIALS)$")
_SHORTEST_IN_ENVIRONMENT = 8
_SECRET_PARAMETERS = frozenset(
    {
        "access_token",
        "api_key",
        "key",
        "password",
        "secret",
        "sig",
        "signature",
        "token",
    }
)


def secrets_in_environment(variables: Mapping[str, str]) -> set[str]:
    """Return the values of environment variables whose names indicate a secret.

    Args:
        variables: The environment of the process.
    """
    return {
        value
        for name, value in variables.items()
        if _secret_variable.search(name.upper())
        and not _names_a_file.search(name.upper())
        and len(value) >= _SHORTEST_IN_ENVIRONMENT
    }


def secrets_in_urls(value: object) -> set[str]:
    """Return the passwords and signatures in the URLs of a setting, at any depth."""
    found: set[str] = set()
    for text in _all_texts(value):
        _, scheme, rest = text.partition("://")
        if not scheme:
            continue
        # A password may hold any character where somebody forgot to write it as %40 or %2F; then
        # parsers find a host or a port inside it, and show that.
        user, at, _ = rest.rpartition("@")
        if at and ":" in user:
            password = user.partition(":")[2]
            found |= {password, unquote(password), *re.split("[@/?#:]", password)}
        for name, given in parse_qsl(rest.partition("?")[2]):
            if name.lower() in _SECRET_PARAMETERS or name.lower().startswith(("x-amz-", "x-goog-")):
                found.add(given)
    return {secret for secret in found if len(secret) >= _SHORTEST_SECRET}


def _all_texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _all_texts(item)
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _all_texts(item)


def mask_urls(text: str) -> str:
    """Mask users, passwords and signatures in all URLs of a text, also unknown ones."""
    if "://" in text or "=" in text:
        text = _url_user.sub(f"://{MASK}@", text)
        text = _signature.sub(rf"\1{MASK}", text)
    return _authorization.sub(rf"\1 {MASK}", text)


_known: set[str] = set()
"""The secrets of this process's plugin."""


def masked(text: str) -> str:
    """Mask all secrets of this process in a text for a log, report or dead letter.

    Mask first and shorten then: half a secret at the end of a text is not found.
    """
    return mask_urls(redact(text, _known))


def redact(text: str, secrets: Iterable[str]) -> str:
    """Return the text with every secret replaced by a mask, in whatever spelling it stands."""
    for spelling in spellings_of(frozenset(secrets)):
        text = text.replace(spelling, MASK)
    return text


class RedactingFormatter(logging.Formatter):
    """A formatter that masks secrets in the formatted text, also in stack traces and JSON."""

    def __init__(self, formatter: logging.Formatter | None, secrets: Iterable[str]) -> None:
        """Wrap the formatter of a handler.

        Args:
            formatter: The formatter of the handler, or None for the default one.
            secrets: The texts to mask.
        """
        super().__init__()
        self._formatter = formatter or logging.Formatter()
        self._secrets = set(secrets)

    def protect(self, secrets: Iterable[str]) -> None:
        """Mask these secrets too."""
        self._secrets.update(secrets)

    def format(self, record: logging.LogRecord) -> str:
        """Return the text without secrets and without control characters."""
        text = self._formatter.format(_with_one_line_each(record))
        return lines(mask_urls(redact(text, self._secrets)))


def _with_one_line_each(record: logging.LogRecord) -> logging.LogRecord:
    """Return the record with its arguments in one line each, but for those that are `Lines`.

    A stream, a cohort or an error may have a line break in its name, and what follows would look
    like a line of the log.
    """
    args = record.args
    if not isinstance(args, tuple) or not any(map(_breaks, args)):
        return record
    cleaned = copy.copy(record)
    cleaned.args = tuple(" ".join(str(arg).splitlines()) if _breaks(arg) else arg for arg in args)
    return cleaned


def _breaks(arg: object) -> bool:
    is_text = isinstance(arg, (str, BaseException)) and not isinstance(arg, Lines)
    return is_text and "\n" in str(arg)


def protect_logs(secrets: set[str]) -> None:
    """Mask these secrets too, in logs and wherever `masked` is called, until the process ends.

    The formatters of handlers are used, because a logger does not see the records of its children.
    """
    _known.update(secrets)
    for handler in logging.getLogger().handlers:
        if isinstance(handler.formatter, RedactingFormatter):
            handler.formatter.protect(secrets)
        else:
            handler.setFormatter(RedactingFormatter(handler.formatter, secrets))
