"""Braze's REST endpoints by instance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.http.safe_url import host_of, is_safe_url

if TYPE_CHECKING:
    from collections.abc import Mapping

ENDPOINTS: Final[Mapping[str, str]] = {
    **{f"US-0{number}": f"https://rest.iad-0{number}.braze.com" for number in range(1, 9)},
    "US-10": "https://rest.us-10.braze.com",
    "EU-01": "https://rest.fra-01.braze.eu",
    "EU-02": "https://rest.fra-02.braze.eu",
    "AU-01": "https://rest.au-01.braze.com",
    "JP-01": "https://rest.jp-01.braze.com",
    "ID-01": "https://rest.id-01.braze.com",
    "KR-01": "https://rest.kr-01.braze.com",
}
"""Instance → REST endpoint. Source: Braze's API overview. There is no US-09."""


def endpoint(instance: str | None, rest_endpoint: str | None) -> str:
    """Return the REST endpoint to use.

    Args:
        instance: A key of `ENDPOINTS`.
        rest_endpoint: A URL. It takes precedence over the instance.

    Returns:
        The URL without a slash at its end.

    Raises:
        SettingsError: Neither is set, or the URL is not https, or it is the URL of the dashboard.
    """
    if not rest_endpoint:
        if not instance:
            raise SettingsError(
                "Setting instance is missing: give the Braze instance such as US-01 or EU-02 (the "
                "dashboard's URL shows it), or its URL in rest_endpoint."
            )
        return ENDPOINTS[instance]
    if not is_safe_url(rest_endpoint):
        raise SettingsError(
            "Setting rest_endpoint is wrong: it must begin with https:// (http only for "
            "localhost) and hold only a host and, if needed, a port, such as "
            "https://rest.iad-01.braze.com."
        )
    host = host_of(rest_endpoint)
    if host.startswith("dashboard"):
        raise SettingsError(
            f"Setting rest_endpoint is wrong: {host} is Braze's dashboard. Give the REST "
            "endpoint of the same instance, such as https://rest.iad-01.braze.com for dashboard-01,"
            " or set instance."
        )
    return rest_endpoint.rstrip("/")
