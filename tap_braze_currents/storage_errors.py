"""The errors of file systems and cloud services, told in one line each."""

from __future__ import annotations

from typing import NamedTuple

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError


class _Rule(NamedTuple):
    """Applies to errors of these classes, or with one of these words in their class or text."""

    error: type[ConnectorError]
    classes: tuple[type[Exception], ...]
    words: tuple[str, ...]
    advice: str


_RULES = (
    _Rule(
        SettingsError,
        (TypeError,),
        ("unexpected keyword", "protocol not known", "multiple values", "invalid endpoint"),
        "{url} cannot be opened: {text}. Check storage_url and the names in storage_options.",
    ),
    _Rule(
        SettingsError,
        (),
        ("permanentredirect", "illegallocationconstraint", "headermalformed", "301 moved"),
        "{url} lies in another region: {text}. Set client_kwargs.region_name in storage_options, "
        "or AWS_DEFAULT_REGION.",
    ),
    _Rule(
        SettingsError,
        (FileNotFoundError,),
        ("nosuchbucket", "containernotfound", "resourcenotfound", "bucket does not exist"),
        "{url} does not exist or is empty. Set storage_url to the folder that holds the Currents "
        "files.",
    ),
    _Rule(
        SettingsError,
        (),
        (
            "credential",
            "accesskeyid",
            "signature",
            "expiredtoken",
            "invalidtoken",
            "invalid_grant",
            "authenticationfailed",
            "unauthorized",
            "anonymous caller",
        ),
        "{url} cannot be read with these credentials: {text}. Set the usual ones of the cloud "
        "(environment, profile, role), or storage_options.",
    ),
    _Rule(
        SettingsError,
        (PermissionError,),
        ("accessdenied", "access denied", "forbidden"),
        "{url} may not be read: {text}. Give these credentials the right to list and to read "
        "below that prefix.",
    ),
    _Rule(
        TemporaryError,
        (OSError,),
        ("connect", "timeout", "timed out", "getaddrinfo", "unavailable", "slowdown", "payload"),
        "{url} cannot be reached: {text}. Run again later.",
    ),
    _Rule(
        SettingsError,
        (Exception,),
        (),
        "{url} cannot be read: {text}. Check storage_url and storage_options.",
    ),
)
"""The first that applies counts."""
_LONGEST_TEXT = 300


def explain(error: Exception, url: str) -> ConnectorError:
    """Turn an error of fsspec or of a cloud's library into one that says what to do.

    Args:
        error: Whatever was raised.
        url: What was being reached, without secrets.

    Returns:
        SettingsError where somebody must change something, TemporaryError where time may help.
    """
    said = f"{type(error).__name__} {error}".lower()
    rule = next(
        rule
        for rule in _RULES
        if isinstance(error, rule.classes) or any(word in said for word in rule.words)
    )
    text = " ".join(str(error).split()).rstrip(".")[:_LONGEST_TEXT] or type(error).__name__
    return rule.error(rule.advice.format(url=url, text=text))


def is_temporary(error: Exception) -> bool:
    """Tell whether another attempt may succeed where this error ended one."""
    return isinstance(explain(error, ""), TemporaryError)
