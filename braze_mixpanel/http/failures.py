"""Failures between a client and a service, each as one line that says what to check.

An error that no retry can cure is raised at once as `SettingsError`; waiting would only lose time.
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
    """Surround a request made with requests; a failure that may pass is raised unchanged.

    Args:
        url: The address of the request.
        settings: The settings that it comes from, in words.

    Raises:
        SettingsError: Nothing at that address can ever answer.
    """
    try:
        yield
    except requests.exceptions.ProxyError as error:
        if _PROXY_LOGIN not in str(error):
            raise
        raise proxy_wants_login(url) from error
    except ValueError as error:  # how requests, urllib3 and the codecs report a bad URL
        raise SettingsError(
            f"{url} is no URL that a request can be sent to ({type(error).__name__}). Check "
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
    """Check that an answer comes from the service itself, by its status.

    Args:
        status: HTTP status.
        url: The address of the request.
        settings: The settings that it comes from, in words.

    Raises:
        SettingsError: A proxy answered, or the address belongs to another service. A redirect is
            not followed, because the credentials would go with it.
    """
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        raise proxy_wants_login(url)
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        raise SettingsError(
            f"{url} redirects to another address (status {status}), which gets no credentials. "
            f"Check {settings} and, if there is one, the proxy (HTTPS_PROXY)."
        )


def proxy_wants_login(url: str) -> SettingsError:
    """Make the error for a proxy that asks for credentials of its own."""
    return SettingsError(
        f"The proxy on the way to {url} refuses to connect without a login (status "
        f"{_PROXY_LOGIN}). Put its user and password into HTTPS_PROXY, or exempt the host in "
        "NO_PROXY."
    )


def is_cut_short(content: bytes) -> bool:
    """Return whether the body of an answer is an object of JSON that ends too early.

    An answer without a length looks whole when the connection ends before it does.
    """
    text = content.strip()
    return text.startswith(b"{") and text != b"{}" and not json_object(text)


def describe_no_answer(error: requests.RequestException) -> str:
    """Describe in a few words why no whole answer came; the error's text may hold a URL."""
    return "unknown host name" if _names_no_host(error) else type(error).__name__


def _names_no_host(error: BaseException) -> bool:
    """Return whether an error, or one that it holds, is about a name that cannot be resolved."""
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
    """Make the error for credentials that a service does not accept.

    Args:
        service: Its name.
        said: Its answer in a few words.
        credentials: The settings that hold the credentials.
        address: The settings that say where the service is.
    """
    return SettingsError(
        f"{service} refuses the credentials ({said}). Check {credentials}, and that {address} is "
        "where they were made: another region does not know them."
    )


def unreachable(url: str, problem: str, *, address: str, result: str) -> TemporaryError:
    """Make the error for a service that gave no answer.

    Args:
        url: Its address.
        problem: What went wrong, in a few words.
        address: The settings that say where the service is.
        result: What that means for the run, as a sentence.
    """
    return TemporaryError(
        f"{url} cannot be reached: {problem}. Check the network, a proxy (HTTPS_PROXY), and "
        f"{address}. {result}"
    )
