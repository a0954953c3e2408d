"""Chooses the client for the setting `delivery`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from target_braze_cohorts.braze.cohort_import import CohortImport
from target_braze_cohorts.braze.user_attribute import UserAttribute
from target_braze_cohorts.settings.definitions import ATTRIBUTE
from target_braze_cohorts.settings.instances import endpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from target_braze_cohorts.braze.client import BrazeClient


def make_client(
    config: Mapping[str, Any], timeouts: tuple[float, float], now: Callable[[], float] = time.time
) -> BrazeClient:
    """Create the client for the setting `delivery`.

    Args:
        config: The settings of the target.
        timeouts: The seconds to wait for a connection, and for a response.
        now: Returns UNIX seconds.

    Raises:
        SettingsError: The settings name no usable endpoint.
    """
    url = endpoint(config.get("instance"), config.get("rest_endpoint"))
    if config["delivery"] == ATTRIBUTE:
        return UserAttribute(
            url,
            api_key=config.get("api_key", ""),
            attribute_name=config["attribute_name"],
            timeouts=timeouts,
            now=now,
        )
    return CohortImport(
        url,
        partner_name=config["partner_name"],
        partner_api_key=config.get("partner_api_key", ""),
        data_import_key=config.get("data_import_key", ""),
        timeouts=timeouts,
        now=now,
    )
