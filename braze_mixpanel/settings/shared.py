"""Definitions of settings that several plugins share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterable

API_SECRETS_END_ON: Final = "3 March 2027"
"""The day from which Mixpanel does not accept API secrets (Mixpanel's announcement)."""

SERVICE_ACCOUNT: Final = (
    th.Property(
        "service_account_username",
        th.StringType,
        description="User name of a Mixpanel service account (the recommended credentials).",
    ),
    th.Property(
        "service_account_password",
        th.StringType,
        secret=True,
        description="Secret of the service account.",
    ),
)
API_SECRET: Final = th.Property(
    "api_secret",
    th.StringType,
    secret=True,
    description=f"API secret of the project. Mixpanel accepts it until {API_SECRETS_END_ON}.",
)


def mixpanel_address(regions: Iterable[str]) -> tuple[th.Property[str], th.Property[str]]:
    """Return the settings `region` and `api_url`.

    Args:
        regions: The regions of Mixpanel, with the default first.
    """
    known = list(regions)
    return (
        th.Property(
            "region",
            th.StringType,
            default=known[0],
            allowed_values=known,
            description=f"Region of the project's data: {', '.join(known[:-1])} or {known[-1]}.",
        ),
        th.Property(
            "api_url",
            th.StringType,
            description="Base URL to use instead of region, for a proxy or a test.",
        ),
    )


def retry_seconds(description: str) -> th.Property[int]:
    """Return the setting `retry_seconds`, with ten minutes as the default."""
    return th.Property(
        "retry_seconds", th.IntegerType(minimum=0), default=600, description=description
    )


def ids_or_names(name: str, description: str) -> th.Property[list[Any]]:
    """Return a setting with a list of cohorts, by id (a number or text) or by name."""
    return th.Property(
        name,
        th.ArrayType(th.CustomType({"type": ["string", "integer"]})),
        description=description,
    )


def ratio(name: str, default: float, description: str) -> th.Property[Any]:
    """Return a setting with a number from 0 to 1. In the environment it is text."""
    return th.Property(
        name,
        th.CustomType({"type": ["number", "string"]}),
        default=default,
        description=description,
    )
