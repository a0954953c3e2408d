"""What is wrong with an address for good, so that asking again would only lose time."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import requests

from braze_mixpanel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LASTING_SSL_PROBLEMS: Final = ("CERTIFICATE_VERIFY_FAILED", "WRONG_VERSION_NUMBER")


@contextmanager
def lasting_problems(url: str, settings: str) -> Iterator[None]:
    """Surround a request with requests; what may pass is raised as it came.

    Args:
        url: What is asked.
        settings: Those that it comes from, in words.

    Raises:
        SettingsError: There is nothing at that URL that could answer, ever.
    """
    try:
        yield
    except ValueError as error:  # requests', urllib3's and the codecs' word for a bad URL
        raise SettingsError(
            f"{url} is no URL that can be asked ({type(error).__name__}). Check {settings} and, if "
            "there is one, the proxy (HTTPS_PROXY)."
        ) from error
    except requests.exceptions.SSLError as error:
        if not any(cause in str(error) for cause in _LASTING_SSL_PROBLEMS):
            raise
        raise SettingsError(
            f"The certificate of {url} is not trusted. Check {settings}; behind a proxy with its "
            "own certificate, name that in the environment variable REQUESTS_CA_BUNDLE."
        ) from error
