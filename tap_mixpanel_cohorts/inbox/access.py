"""Check the HTTP Basic credentials of a call, in constant time. Pure."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from typing import Final

PREFIX: Final = "MIXPANEL_COHORT_INBOX"
"""The prefix of the inbox's environment variables."""
PASSWORD_VARIABLE: Final = f"{PREFIX}_PASSWORD"
"""The environment variable with the password. There is no option, because the process list shows
the command line."""


class BasicAccess:
    """Check the credentials of a call."""

    def __init__(self, username: str | None, password: str | None) -> None:
        """Keep digests of the right credentials.

        Args:
            username: The user name. None: any user name is right.
            password: The password. None: no password is needed.
        """
        self._username = None if username is None else _digest(username.encode())
        self._password = None if password is None else _digest(password.encode())

    @property
    def is_open(self) -> bool:
        """Whether every call is allowed, because no password is set."""
        return self._password is None

    def allows(self, authorization: str | None) -> bool:
        """Return whether a call is allowed.

        Args:
            authorization: The value of the header Authorization, or None.
        """
        if self._password is None:
            return True
        kind, _, encoded = (authorization or "").partition(" ")
        try:
            given = base64.b64decode(encoded.strip(), validate=True)
        except (binascii.Error, ValueError):
            given = b""
        username, _, password = given.partition(b":")
        # Always compare both, and as digests of equal length: the time of the answer must not
        # reveal which part is wrong.
        right_password = hmac.compare_digest(_digest(password), self._password)
        right_username = hmac.compare_digest(_digest(username), self._username or _digest(username))
        return kind.lower() == "basic" and right_password and right_username


def _digest(text: bytes) -> bytes:
    return hashlib.sha256(text).digest()
