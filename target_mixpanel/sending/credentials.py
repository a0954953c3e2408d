"""The credentials for `/import`: which of the settings count, and when they stop working. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.settings.shared import API_SECRETS_END_ON

if TYPE_CHECKING:
    from collections.abc import Mapping

CREDENTIAL_SETTINGS: Final = (
    "service_account_username",
    "service_account_password",
    "project_id",
    "project_token",
    "api_secret",
)
API_SECRET_ENDS: Final = datetime(2027, 3, 3, tzinfo=timezone.utc)
"""From this day on Mixpanel takes no API secret for `/import`."""
WARN_DAYS: Final = 90
"""How many days before the end a run warns."""


class Credentials(NamedTuple):
    """One of the three kinds of credentials for `/import`.

    Attributes:
        user: The user name of HTTP Basic authentication: service account, token or API secret.
        password: The password of a service account. Empty for the other kinds.
        project_id: The id of the project. Required with a service account.
        settings: The names of the settings that hold the credentials, for messages.
        kind: The kind in words, for messages.
    """

    user: str
    password: str
    project_id: str | None
    settings: str
    kind: str

    @property
    def where(self) -> str:
        """The project that gets the events, in words."""
        return f"project {self.project_id}" if self.project_id else f"project of the {self.kind}"


def choose_credentials(settings: Mapping[str, Any]) -> Credentials:
    """Return the credentials: a service account, else the API secret, else the project token.

    Raises:
        SettingsError: No credentials are set, or a service account is not complete.
    """
    user, password = (
        settings.get("service_account_username"),
        settings.get("service_account_password"),
    )
    project_id = str(settings.get("project_id") or "") or None
    if user or password:
        names = CREDENTIAL_SETTINGS[:3]
        missing = [name for name in names if not settings.get(name)]
        if missing:
            raise SettingsError(
                f"A service account needs {' and '.join(missing)} as well "
                "(Mixpanel: Project Settings > Service Accounts, and Overview for the project id)."
            )
        settings_used = " and ".join(names)
        return Credentials(
            str(user), str(password), str(project_id), settings_used, f"service account {user}"
        )
    for name in ("api_secret", "project_token"):
        if settings.get(name):
            kind = name.replace("_", " ")
            return Credentials(str(settings[name]), "", project_id, name, kind)
    raise SettingsError(
        "No Mixpanel credentials: set service_account_username, service_account_password and "
        "project_id (or project_token, or api_secret), or dry_run to see what would be sent."
    )


def api_secret_warning(credentials: Credentials, now: float) -> str | None:
    """Return a warning if the API secret stops working soon.

    Args:
        credentials: The credentials of the run.
        now: The present time in UNIX seconds.

    Returns:
        The warning in one line. None if no API secret is used, or more than 90 days are left.
    """
    first_day = API_SECRET_ENDS - timedelta(days=WARN_DAYS)
    if credentials.settings != "api_secret" or now < first_day.timestamp():
        return None
    return (
        f"Setting api_secret: Mixpanel accepts no API secret from {API_SECRETS_END_ON} on. Set "
        "service_account_username, service_account_password and project_id instead."
    )
