"""Federated and other Google identities, by google-auth. Needs the extra `google-auth`."""

from __future__ import annotations

from datetime import timezone
from typing import TYPE_CHECKING, Any, Final

from google.auth import load_credentials_from_dict
from google.auth.exceptions import GoogleAuthError
from google.auth.transport.requests import Request

from braze_mixpanel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

_READ_ONLY: Final = "https://www.googleapis.com/auth/devstorage.read_only"
_READ_AND_WRITE: Final = "https://www.googleapis.com/auth/devstorage.read_write"


def token_provider(key: dict[str, Any], *, writes: bool) -> Callable[[], dict[str, Any]]:
    """Return the function that obstore asks for tokens of a key.

    Args:
        key: The content of the key file.
        writes: Objects are written too, not only read.

    Raises:
        SettingsError: google-auth does not know the key.
    """
    scope = _READ_AND_WRITE if writes else _READ_ONLY
    try:
        credentials, _ = load_credentials_from_dict(key, scopes=[scope])  # type: ignore[no-untyped-call]
    except (GoogleAuthError, ValueError) as error:
        raise SettingsError(f"The Google credentials cannot be used: {error}") from error

    def provide() -> dict[str, Any]:
        if not credentials.valid:
            credentials.refresh(Request())
        expires_at = credentials.expiry and credentials.expiry.replace(tzinfo=timezone.utc)
        return {"token": credentials.token, "expires_at": expires_at}

    return provide
