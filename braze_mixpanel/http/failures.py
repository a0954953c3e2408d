"""Failures between a client and a service, each as one line that says what to check.

An error that no retry can cure is raised at once as `SettingsError`; waiting would only lose time.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import requests

from braze_mixpanel.errors import SettingsError, TemporaryError

if TYPE_CHECKING:
    from collections.abc import Iterator

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
