"""Convert failures of requests to errors with a one-line message that names what to check.

An error that no retry can fix is raised at once as `SettingsError`, without waiting.
"""

from __future__ import annotations

import socket
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import requests
from urllib3.exceptions import NameResolutionError

from braze_mixpanel.errors import SettingsError, TemporaryError
from braze_mixpanel.http.json_body import json_object

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROXY_LOGIN: Final = str(HTTPStatus.PROXY_AUTHENTICATION_REQUIRED.value)
_PERMANENT_SSL_PROBLEMS: Final = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")


@contextmanager
def raising_permanent_failures(url: str, settings: str) -> Iterator[None]:
    """Convert permanent failures of a request to `SettingsError`. Other errors pass unchanged.

    Args:
        url: The URL of the request.
        settings: The names of the settings with the URL, for the message.

    Raises:
        SettingsError: No request to this URL can ever succeed.
    """
    try:
        yield
    except requests.exceptions.ProxyError as error:
        if _PROXY_LOGIN not in str(error):
            raise
        raise proxy_wants_login(url) from error
    except ValueError as error:  # how requests, urllib3 and the codecs report a bad URL
        raise SettingsError(
            f"{url} is not a URL that a request can be sent to ({type(error).__name__}). Check "
            f"{settings} and, if there is one, the proxy (HTTPS_PROXY)."
        ) from error
    except requests.exceptions.SSLError as error:
        if not any(cause in str(error) for cause in _PERMANENT_SSL_PROBLEMS):
            raise
        raise SettingsError(
            f"The certificate of {url} is not trusted. Check {settings}; behind a proxy with its "
            "own certificate, name that in the environment variable REQUESTS_CA_BUNDLE."
        ) from error


def require_no_detour(status: int, url: str, settings: str) -> None:
    """Check by the status that a response comes from the service itself.

    Redirects are not followed, because the credentials would be sent to the other address.

    Args:
        status: The HTTP status.
        url: The URL of the request.
        settings: The names of the settings with the URL, for the message.

    Raises:
        SettingsError: A proxy asks for a login, or the service redirects to another address.
    """
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise proxy_wants_login(url)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise SettingsError(
            f"{url} redirects to another address (status {status}). No credentials are sent there. "
            f"Check {settings} and, if there is one, the proxy (HTTPS_PROXY)."
        )


def proxy_wants_login(url: str) -> SettingsError:
    """Return the error for a proxy that asks for a login."""
    return SettingsError(
        f"The proxy on the way to {url} refuses to connect without a login (status "
        f"{_PROXY_LOGIN}). Put its user and password into HTTPS_PROXY, or exempt the host in "
        "NO_PROXY."
    )


def is_cut_short(content: bytes) -> bool:
    """Return whether the body of a response is a JSON object that ends too early.

    A response without Content-Length looks complete when the connection breaks.
    """
    text = content.strip()
    return text.startswith(b"{") and text != b"{}" and not json_object(text)


def describe_no_answer(error: requests.RequestException) -> str:
    """Return a short description of a failed request. The error's text may hold a URL."""
    return "unknown host name" if _names_no_host(error) else type(error).__name__


def _names_no_host(error: BaseException) -> bool:
    """Return whether an error, or an error inside of it, is about an unknown host name."""
    seen: set[int] = set()
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop()
        if isinstance(one, NameResolutionError | socket.gaierror):
            return True
        if isinstance(one, BaseException) and id(one) not in seen:
            seen.add(id(one))
            waiting += [*one.args, getattr(one, "reason", None), one.__context__]
    return False


def credentials_refused(
    service: str, said: str, *, credentials: str, address: str
) -> SettingsError:
    """Return the error for credentials that a service does not accept.

    Args:
        service: The name of the service.
        said: A short description of the response.
        credentials: The names of the settings with the credentials.
        address: The names of the settings with the address.
    """
    return SettingsError(
        f"{service} refuses the credentials ({said}). Check {credentials}, and {address}: "
        "credentials of another region are not known there."
    )


def unreachable(url: str, problem: str, *, address: str, result: str) -> TemporaryError:
    """Return the error for a service that did not respond.

    Args:
        url: The URL of the service.
        problem: A short description of the failure.
        address: The names of the settings with the address.
        result: A sentence with the consequence for the run.
    """
    return TemporaryError(
        f"{url} cannot be reached: {problem}. Check the network, a proxy (HTTPS_PROXY), and "
        f"{address}. {result}"
    )
