"""How to connect to a store: proxy, certificates, timeouts, retries."""

from __future__ import annotations

import math
import os
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.stores.options import MOST_TIMES, Options

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_mixpanel.stores.use import Use

_CERTIFICATES: Final = (
    "AWS_CA_BUNDLE",
    "SSL_CERT_FILE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
)
_BACKOFF: Final = {
    "init_backoff": timedelta(seconds=0.1),
    "max_backoff": timedelta(seconds=10),
    "base": 2,
}
_RETRIES: Final = {"max_retries": 6, "retry_timeout": timedelta(seconds=60)}
"""For 5xx, 429 and broken connections. What fails longer is retried by the reader of files, and
then ends the run with exit code 75."""
_TIMEOUTS: Final = ("timeout", "connect_timeout", "read_timeout")
_SWITCHES: Final = ("allow_http", "allow_invalid_certificates", "http1_only", "http2_only")
_TEXTS: Final = (
    "proxy_ca_certificate",
    "proxy_excludes",
    "proxy_url",
    "root_certificate",
    "user_agent",
)
_CLIENT: Final = frozenset(
    {
        *_TIMEOUTS,
        *_SWITCHES,
        *_TEXTS,
        "default_headers",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
    }
)
_OF_RETRIES: Final = ("max_attempts", "total_max_attempts", "mode")


def client_options(options: Options, endpoint: str | None) -> dict[str, Any]:
    """Return how to connect: proxy, certificates, timeouts.

    Args:
        options: obstore's own `client_options` are taken from them.
        endpoint: Plain HTTP is allowed if this is an `http://` URL.

    Raises:
        SettingsError: An option is wrong, or the file of certificates cannot be read.
    """
    result = {
        "timeout": timedelta(seconds=120),
        "connect_timeout": timedelta(seconds=10),
        "pool_max_idle_per_host": "128",
        **_given_client_options(options),
    }
    if endpoint and endpoint.startswith("http://"):
        result["allow_http"] = True
    bundle = next(filter(None, map(os.environ.get, _CERTIFICATES)), None)
    if bundle and "root_certificate" not in result:
        result["root_certificate"] = certificates(bundle, options.use)
    return result


def _given_client_options(options: Options) -> dict[str, Any]:
    own = options.nested("client_options", _CLIENT)
    given: dict[str, Any] = {name: own.seconds(name) for name in _TIMEOUTS}
    given["pool_idle_timeout"] = own.seconds("pool_idle_timeout", least=0)
    given |= {name: own.switch(name) for name in _SWITCHES}
    idle = own.whole_number("pool_max_idle_per_host")
    given["pool_max_idle_per_host"] = None if idle is None else str(idle)
    given["default_headers"] = own.mapping("default_headers") or None
    texts = own.rest(_TEXTS)
    own.finish()
    for name, value in texts.items():
        if not isinstance(value, (str, bytes)):
            raise SettingsError(f"{own.place}.{name} must be a text.")
    return {**texts, **{name: value for name, value in given.items() if value is not None}}


def certificates(path: str, use: Use) -> bytes:
    """Read a file of certificates.

    Args:
        path: The file.
        use: Names the setting in the error.

    Raises:
        SettingsError: It cannot be read.
    """
    try:
        return Path(path).expanduser().read_bytes()
    except OSError as error:
        raise SettingsError(
            f"The certificates in {path} cannot be read ({error.strerror}): check {use.options} "
            f"and {', '.join(_CERTIFICATES)}."
        ) from error


def retry_config(options: Options) -> dict[str, Any]:
    """Return how often a request is repeated after 5xx, 429 and broken connections.

    Raises:
        SettingsError: An option is wrong.
    """
    own = options.nested("retry_config", (*_RETRIES, "backoff"))
    given = {
        "max_retries": own.whole_number("max_retries"),
        "retry_timeout": own.seconds("retry_timeout", least=0),
    }
    backoff = own.nested("backoff", _BACKOFF)
    waits: dict[str, Any] = {
        name: backoff.seconds(name, least=0) for name in ("init_backoff", "max_backoff")
    }
    waits["base"] = _base(backoff)
    backoff.finish()
    own.finish()
    return {
        **_RETRIES,
        **{name: value for name, value in given.items() if value is not None},
        "backoff": _BACKOFF | {name: value for name, value in waits.items() if value is not None},
    }


def _base(backoff: Options) -> float | None:
    """Return the number by which each wait is multiplied."""
    value = backoff.take("base")
    if value is None:
        return None
    try:
        base = math.nan if isinstance(value, bool) else float(str(value))
    except ValueError:
        base = math.nan
    if not 1 <= base <= MOST_TIMES:
        raise SettingsError(f"{backoff.place}.base must be a number from 1 to {MOST_TIMES}.")
    return base


def botocore_config(config: Options) -> tuple[dict[str, timedelta], int | None]:
    """Take timeouts and retries out of `config_kwargs`, as s3fs handed them to botocore.

    Args:
        config: The options below `config_kwargs`.

    Returns:
        The timeouts, and the most retries if they are set.

    Raises:
        SettingsError: One of them is wrong.
    """
    found = {name: config.seconds(name) for name in ("connect_timeout", "read_timeout")}
    retries = config.nested("retries", _OF_RETRIES)
    most = retries.whole_number("max_attempts", "total_max_attempts")
    retries.rest(_OF_RETRIES)
    retries.finish()
    return {name: value for name, value in found.items() if value is not None}, most


def require_usable(options: Mapping[str, Any], use: Use) -> None:
    """Check the numbers and switches of a connection, before anything is opened.

    Args:
        options: Of any store.
        use: Names the setting in the error.

    Raises:
        SettingsError: One of them is wrong.
    """
    given = Options(options, (), use)
    _given_client_options(given)
    retry_config(given)
    botocore_config(given.nested("config_kwargs", ()))
    given.seconds("requests_timeout", "timeout")
