"""Decide to which URLs personal data may be sent."""

from __future__ import annotations

from typing import Final

from urllib3.util import parse_url

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LAST_CONTROL: Final = 0x20
_DELETE: Final = 0x7F


def host_of(url: str) -> str:
    r"""Return the host to which a request for a URL is sent, or empty if the URL is not valid.

    This uses the parser of the HTTP library. Another parser may find another host in a URL such as
    `http://127.0.0.2:P\@127.0.0.1`.

    Args:
        url: The absolute URL.
    """
    if "\\" in url or any(ord(one) <= _LAST_CONTROL or ord(one) == _DELETE for one in url):
        return ""
    try:
        return parse_url(url).host or ""
    except ValueError:  # such as a wrong port, or brackets that do not match
        return ""


def is_safe_url(url: str) -> bool:
    """Return whether personal data may be sent to a URL: it is https, or on this machine."""
    host = host_of(url)
    if not host:
        return False
    scheme = parse_url(url).scheme
    return scheme == "https" or (scheme == "http" and host in _LOOPBACK)
