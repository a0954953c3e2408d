"""Read the credentials of an AWS profile. Static keys are read here, all others with boto3."""

from __future__ import annotations

import configparser
import os
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from braze_mixpanel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_mixpanel.stores.use import Use

_REFRESH = timedelta(minutes=10)
"""boto3 renews credentials that expire, so it is called again after this time."""
_NEED_BOTO3 = frozenset(
    {"sso_session", "sso_start_url", "role_arn", "credential_process", "login_session"}
)


class Profile(NamedTuple):
    """The credentials and the region of a profile."""

    store: dict[str, Any]
    """Options of obstore's S3Store."""
    region: str | None


def profile_of(name: str | None, use: Use) -> Profile | None:
    """Return a profile in `~/.aws`, or in the files that environment variables name.

    Args:
        name: The name in the options. Without it, `AWS_PROFILE` or `default` is used.
        use: The names of the settings, for errors.

    Returns:
        The profile. None if no profile is named and the default profile has no credentials.

    Raises:
        SettingsError: The named profile is missing, or needs boto3, which is not installed.
    """
    wanted = name or os.environ.get("AWS_PROFILE")
    section = wanted or "default"
    found = {
        **_section("AWS_CONFIG_FILE", "config", (f"profile {section}", section)),
        **_section("AWS_SHARED_CREDENTIALS_FILE", "credentials", (section,)),
    }
    if wanted and not found:
        raise SettingsError(
            f"There is no AWS profile {wanted}: check {use.options}.profile, AWS_PROFILE and "
            "~/.aws."
        )
    region = found.get("region")
    if found.keys() & _NEED_BOTO3:
        return Profile({"credential_provider": _through_boto3(section)}, region)
    if "aws_access_key_id" not in found or "aws_secret_access_key" not in found:
        return Profile({}, region) if found else None
    store = {
        "access_key_id": found["aws_access_key_id"],
        "secret_access_key": found["aws_secret_access_key"],
    }
    if token := found.get("aws_session_token"):
        store["session_token"] = token
    return Profile(store, region)


def _section(variable: str, file: str, names: tuple[str, ...]) -> dict[str, str]:
    path = Path(os.environ.get(variable) or f"~/.aws/{file}").expanduser()
    parser = configparser.RawConfigParser()
    try:
        parser.read(path, encoding="utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise SettingsError(
            f"{path} is not a file of AWS profiles: correct or remove it."
        ) from error
    found = next((name for name in names if parser.has_section(name)), None)
    return dict(parser.items(found)) if found else {}


def _through_boto3(profile: str) -> Callable[[], dict[str, Any]]:
    """Return the function that obstore asks for credentials: boto3 knows roles and SSO.

    Raises:
        SettingsError: boto3 is missing, or finds no credentials.
    """
    try:
        import boto3  # type: ignore[import-untyped]  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise SettingsError(
            f"The AWS profile {profile} uses a role, SSO or a process, which needs another "
            "package: pip install 'braze-mixpanel[aws-profiles]'."
        ) from error
    try:
        credentials = boto3.Session(profile_name=profile).get_credentials()
    except Exception as error:  # botocore has its own error classes, which boto3 does not export
        raise SettingsError(f"The AWS profile {profile} cannot be used: {error}") from error
    if credentials is None:
        raise SettingsError(f"The AWS profile {profile} holds no credentials.")

    def provide() -> dict[str, Any]:
        frozen = credentials.get_frozen_credentials()
        return {
            "access_key_id": frozen.access_key,
            "secret_access_key": frozen.secret_key,
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + _REFRESH,
        }

    return provide
