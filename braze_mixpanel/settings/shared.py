"""Definitions of settings that several plugins have."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from singer_sdk import typing as th

if TYPE_CHECKING:
    from collections.abc import Iterable

API_SECRETS_END_ON: Final = "3 March 2027"
"""When Mixpanel switches API secrets off."""

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
    description=f"API secret of the project; Mixpanel switches it off on {API_SECRETS_END_ON}.",
)


def mixpanel_address(regions: Iterable[str]) -> tuple[th.Property[str], th.Property[str]]:
    """Define `region` and `api_url`.

    Args:
        regions: Where Mixpanel keeps data, the default first.
    """
    known = list(regions)
    return (
        th.Property(
            "region",
            th.StringType,
            default=known[0],
            allowed_values=known,
            description=f"Where the project's data live: {', '.join(known[:-1])} or {known[-1]}.",
        ),
        th.Property(
            "api_url",
            th.StringType,
            description="Base URL to use instead of the region's, for a proxy or a test.",
        ),
    )


def retry_seconds(description: str) -> th.Property[int]:
    """Define `retry_seconds`, ten minutes by default."""
    return th.Property(
        "retry_seconds", th.IntegerType(minimum=0), default=600, description=description
    )


def ids_or_names(name: str, description: str) -> th.Property[list[Any]]:
    """Define a setting that lists cohorts by id, as a number or as text, or by name."""
    return th.Property(
        name,
        th.ArrayType(th.CustomType({"type": ["string", "integer"]})),
        description=description,
    )


def ratio(name: str, default: float, description: str) -> th.Property[Any]:
    """Define a setting between 0 and 1, which the environment gives as text."""
    return th.Property(
        name,
        th.CustomType({"type": ["number", "string"]}),
        default=default,
        description=description,
    )
