"""An array attribute of users, which `/users/track` writes.

Source: "Track users" in Braze's API reference.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from target_braze_cohorts.braze.client import TIMEOUTS, BrazeClient
from target_braze_cohorts.intake.identity import track_identity
from target_braze_cohorts.planning.changes import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze_cohorts.braze.braze_answer import BrazeAnswer

MOST_TRACKED_USERS: Final = 75
"""Most objects in one request of `/users/track`."""


class UserAttribute(BrazeClient):
    """An array attribute of users, for customers with a REST API key."""

    credentials = "api_key"
    most_users = MOST_TRACKED_USERS

    def __init__(
        self,
        endpoint: str,
        *,
        api_key: str,
        attribute_name: str,
        timeouts: tuple[float, float] = TIMEOUTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Create a client.

        Args:
            endpoint: The REST endpoint.
            api_key: A REST API key with the permission `users.track`.
            attribute_name: The name of the array attribute.
            timeouts: The seconds to wait for a connection, and for a response.
            now: Returns UNIX seconds.
        """
        super().__init__(endpoint, timeouts, {"Authorization": f"Bearer {api_key}".encode()}, now)
        self._attribute = attribute_name

    def probe(self) -> BrazeAnswer:
        """Send an empty list of users. Braze answers 400 if the key is valid."""
        return self._post("/users/track", {"attributes": []})

    def change(
        self, label: str, change: Change, kind: str, identifiers: Sequence[str]
    ) -> BrazeAnswer:
        """Add the value to people's attribute or remove it. This never creates a user."""
        value = {"remove" if change is Change.REMOVE else "add": [label]}
        attributes = [
            {
                **track_identity(kind, identifier),
                "_update_existing_only": True,
                self._attribute: value,
            }
            for identifier in identifiers
        ]
        return self._post("/users/track", {"attributes": attributes})
