"""The partner cohort import: lists of people under a cohort's id and name.

Source: "Partner cohort import" in Braze's documentation for partners.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from target_braze_cohorts.braze.client import TIMEOUTS, BrazeClient
from target_braze_cohorts.intake.identity import cohort_lists
from target_braze_cohorts.planning.changes import Change

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from target_braze_cohorts.braze.braze_answer import BrazeAnswer
    from target_braze_cohorts.braze.client import CohortNames

MOST_COHORT_IDS: Final = 1000
"""Most ids in one request, over all its lists."""


class CohortImport(BrazeClient):
    """The partner cohort import, for customers with a partner key."""

    credentials = "data_import_key and partner_api_key"
    most_users = MOST_COHORT_IDS

    def __init__(
        self,
        endpoint: str,
        *,
        partner_name: str,
        partner_api_key: str,
        data_import_key: str,
        timeouts: tuple[float, float] = TIMEOUTS,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Create a client.

        Args:
            endpoint: The REST endpoint.
            partner_name: The name of the partner in Braze's URLs.
            partner_api_key: The key of the partner.
            data_import_key: The key of the customer. Braze calls it `client_secret`.
            timeouts: The seconds to wait for a connection, and for a response.
            now: Returns UNIX seconds.
        """
        super().__init__(endpoint, timeouts, now=now)
        self._path = f"/partners/{quote(partner_name, safe='')}/cohorts"
        self._keys = {"partner_api_key": partner_api_key, "client_secret": data_import_key}

    def probe(self) -> BrazeAnswer:
        """Send an empty list of changes for a cohort."""
        body = {**self._keys, "cohort_id": "0", "cohort_changes": []}
        return self._post(f"{self._path}/users", body)

    @property
    def cohort_names(self) -> CohortNames:
        """This client: Braze shows a cohort under its name."""
        return self

    def name_cohort(self, label: str, name: str, created_at: str) -> BrazeAnswer:
        """Write a cohort's name."""
        body = {**self._keys, "cohort_id": label, "name": name, "created_at": created_at}
        return self._post(self._path, body)

    def change(
        self, label: str, change: Change, kind: str, identifiers: Sequence[str]
    ) -> BrazeAnswer:
        """Add people to a cohort or remove them."""
        people = cohort_lists(kind, identifiers)
        changes = [{**people, "should_remove": change is Change.REMOVE}]
        body = {**self._keys, "cohort_id": label, "cohort_changes": changes}
        return self._post(f"{self._path}/users", body)
