"""Which addresses personal data may be sent to."""

from __future__ import annotations

from typing import Final

from urllib3.util import parse_url

_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
_LAST_CONTROL: Final = 0x20
_DELETE: Final = 0x7F


def host_of(url: str) -> str:
    r"""Return the host that a request to a URL goes to; empty if none can be sent there.

    The parser is the one of the HTTP library: another one can see another host in
    `http://127.0.0.2:P\@127.0.0.1`.

    Args:
        url: Absolute.
    """
    if "\\" in url or any(ord(one) <= _LAST_CONTROL or ord(one) == _DELETE for one in url):
        return ""
    try:
        return parse_url(url).host or ""
    except ValueError:  # a port that is none, brackets that do not close
        return ""


def is_safe_url(url: str) -> bool:
    """Return whether personal data may be sent to a URL: by https, or to this machine."""
    host = host_of(url)
    if not host:
        return False
    scheme = parse_url(url).scheme
    return scheme == "https" or (scheme == "http" and host in _LOOPBACK)
