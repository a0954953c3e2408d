"""Who may call: HTTP Basic, compared in constant time. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "MIXPANEL_COHORT_INBOX"
"""What the names of the inbox's environment variables begin with."""
PASSWORD_VARIABLE: Final = f"{PREFIX}_PASSWORD"
"""The environment variable with the password, which no command line should show."""


class BasicAccess:
    """Checks the credentials of a call."""

    def __init__(self, username: str | None, password: str | None) -> None:
        """Keep digests of what is right.

        Args:
            username: The user; None if any will do.
            password: The password; None if calls need none.
        """
        self._username = None if username is None else _digest(username.encode())
        self._password = None if password is None else _digest(password.encode())

    @property
    def is_open(self) -> bool:
        """Whether every call may go on, since no password is set."""
        return self._password is None

    def allows(self, authorization: str | None) -> bool:
        """Return whether a call may go on.

        Args:
            authorization: The header's value; None if there is none.
        """
        if self._password is None:
            return True
        kind, _, encoded = (authorization or "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        username, _, password = given.partition(b":")
        # Both are compared in any case, as digests: the time says nothing about either.
        right_password = hmac.compare_digest(_digest(password), self._password)
        right_username = hmac.compare_digest(_digest(username), self._username or _digest(username))
        return kind.lower() == "basic" and right_password and right_username


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
