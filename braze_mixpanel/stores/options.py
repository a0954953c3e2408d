"""Read the options of a store. Each option is used, ignored on purpose, or rejected."""

from __future__ import annotations

import difflib
import os
import re
from datetime import timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from braze_mixpanel.stores.use import Use

IGNORED = frozenset(
    [
        "access",
        "assume_container_exists",
        "asynchronous",
        "auto_mkdir",
        "batch_size",
        "blocksize",
        "cache_regions",
        "cache_timeout",
        "check_connection",
        "consistency",
        "default_block_size",
        "default_cache_type",
        "default_fill_cache",
        "default_location",
        "fixed_upload_size",
        "listings_expiry_time",
        "location_mode",
        "loop",
        "max_concurrency",
        "max_paths",
        "secure_serialize",
        "session_kwargs",
        "skip_instance_cache",
        "use_listings_cache",
        "version_aware",
    ]
)
"""Options of fsspec for caches and writing, which older versions passed on. They have no meaning
here."""
_NAME = re.compile("[A-Za-z0-9._-]+")
_CERTIFICATES = ("AWS_CA_BUNDLE", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
_RETRIES = {
    "max_retries": 6,
    "retry_timeout": timedelta(seconds=60),
    "backoff": {
        "init_backoff": timedelta(seconds=0.1),
        "max_backoff": timedelta(seconds=10),
        "base": 2,
    },
}
"""The retries for 5xx, 429 and broken connections. After them, the reader of files retries, and
then the run ends with exit code 75."""
_CLIENT = frozenset(
    {
        "allow_http",
        "allow_invalid_certificates",
        "connect_timeout",
        "default_headers",
        "http1_only",
        "http2_only",
        "pool_idle_timeout",
        "pool_max_idle_per_host",
        "proxy_ca_certificate",
        "proxy_excludes",
        "proxy_url",
        "read_timeout",
        "root_certificate",
        "timeout",
        "user_agent",
    }
)


class Options:
    """The options of one store. Each option is taken once, and `finish` rejects the rest."""

    def __init__(
        self, options: Mapping[str, Any], known: Iterable[str], use: Use, place: str = ""
    ) -> None:
        """Copy the options.

        Args:
            options: The options. A null option counts as not set.
            known: All names that can be taken, for the hint in an error.
            use: The names of the settings, for errors.
            place: The path of these options in the setting. Empty: the top level.
        """
        self._left = {name: value for name, value in options.items() if value is not None}
        self._known = [*known]
        self.use = use
        self.place = place or use.options

    def take(self, *names: str) -> object:
        """Return the value of the first of these names that is set, or None."""
        found = [self._left.pop(name) for name in names if name in self._left]
        return found[0] if found else None

    def text(self, *names: str) -> str | None:
        """Return a text that is valid in a URL and in an HTTP header.

        Raises:
            SettingsError: The text has blanks, line ends or characters that are not ASCII.
        """
        value = self.take(*names)
        text = "" if value is None else str(value).strip()
        if not text.isascii() or not text.isprintable() or " " in text:
            raise SettingsError(
                f"{self.place}.{names[0]} holds a blank, a line end or a character that is not "
                "ASCII: was it copied completely?"
            )
        return text or None

    def nested(self, name: str, known: Iterable[str]) -> Options:
        """Return the options below a name.

        Raises:
            SettingsError: It is no object.
        """
        return Options(self.mapping(name), known, self.use, f"{self.place}.{name}")

    def mapping(self, name: str) -> dict[str, Any]:
        """Return the object below a name, empty if there is none.

        Raises:
            SettingsError: It is no object.
        """
        value = self.take(name)
        if value is not None and not isinstance(value, dict):
            raise SettingsError(f"{self.place}.{name} must be an object.")
        return value or {}

    def number(self, name: str) -> float | None:
        """Return a number, also one that was given as a text.

        Raises:
            SettingsError: It is no number.
        """
        value = self.take(name)
        try:
            return None if value is None else float(str(value))
        except ValueError:
            raise SettingsError(f"{self.place}.{name} must be a number.") from None

    def rest(self, names: Iterable[str]) -> dict[str, Any]:
        """Take all of these names that are set."""
        return {name: self._left.pop(name) for name in names if name in self._left}

    def finish(self) -> None:
        """Raise if an option was not taken.

        Raises:
            SettingsError: This store does not have such an option.
        """
        for name in self._left:
            if name in IGNORED:
                continue
            close = difflib.get_close_matches(name, [*self._known, *IGNORED], n=1)
            known = ", ".join(sorted(self._known)) or "none"
            hint = f"did you mean {close[0]}?" if close else f"it knows {known}."
            raise SettingsError(f"{self.place} has no {name} for this {self.use.url}: {hint}")


def endpoint_of(url: str | None, use: Use) -> str | None:
    """Check the URL of a service.

    Args:
        url: The URL.
        use: Names the setting in the error.

    Raises:
        SettingsError: It is no http or https URL of a host and, perhaps, a port.
    """
    if not url:
        return None
    from braze_mixpanel.http.safe_url import host_of  # noqa: PLC0415 - loads urllib3

    if not url.startswith(("http://", "https://")):
        raise SettingsError(
            f"The endpoint {url!r} in {use.options} or the environment must begin with https:// or "
            "http://."
        )
    host = host_of(url)
    # With other hosts, obstore would panic and print a stack trace.
    as_written = url.isascii() and host.lower() in url.lower()  # not decoded from %41
    if not as_written or not (_is_ip_address(host) or _is_name(host)):
        raise SettingsError(
            f"The endpoint {url!r} in {use.options} or the environment is not a URL: check its "
            "host and port."
        )
    return url.rstrip("/")


def _is_name(host: str) -> bool:
    """Return whether a host is a name; one that ends in a number is an address, says WHATWG."""
    return bool(_NAME.fullmatch(host)) and not host.rstrip(".").rpartition(".")[2].isdigit()


def _is_ip_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]"))
    except ValueError:
        return False
    return "%" not in host  # a zone, as in [::1%eth0]


def client_options(options: Options, endpoint: str | None) -> dict[str, Any]:
    """Return how to connect: proxy, certificates, timeouts.

    Args:
        options: obstore's own `client_options` are taken from them.
        endpoint: Plain HTTP is allowed if this is an `http://` URL.

    Raises:
        SettingsError: The file of certificates cannot be read.
    """
    own = options.nested("client_options", _CLIENT)
    result = {
        "timeout": timedelta(seconds=120),
        "connect_timeout": timedelta(seconds=10),
        "pool_max_idle_per_host": "128",
        **own.rest(_CLIENT),
    }
    own.finish()
    for name in ("timeout", "connect_timeout", "read_timeout", "pool_idle_timeout"):
        if isinstance(result.get(name), (int, float)):
            result[name] = timedelta(seconds=result[name])
    if endpoint and endpoint.startswith("http://"):
        result["allow_http"] = True
    bundle = next(filter(None, map(os.environ.get, _CERTIFICATES)), None)
    if bundle and "root_certificate" not in result:
        result["root_certificate"] = certificates(bundle, options.use)
    return result


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
    """Return how often a request is repeated after 5xx, 429 and broken connections."""
    known = ("max_retries", "retry_timeout", "backoff")
    own = options.nested("retry_config", known)
    given = own.rest(known)
    own.finish()
    if isinstance(given.get("retry_timeout"), (int, float)):
        given["retry_timeout"] = timedelta(seconds=given["retry_timeout"])
    if isinstance(given.get("backoff"), dict):
        given["backoff"] = {
            name: value if name == "base" else timedelta(seconds=value)
            for name, value in given["backoff"].items()
        }
    return {**_RETRIES, **given}


def is_true(value: object) -> bool:
    """Read a switch, also one that was given as a text."""
    return str(value).lower() in {"true", "1", "yes", "requester"}
