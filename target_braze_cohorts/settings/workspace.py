"""The key of a workspace in the membership database."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze_cohorts.settings.definitions import ATTRIBUTE
from target_braze_cohorts.settings.instances import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping


def workspace_key(config: Mapping[str, Any]) -> str:
    """Return the key for the settings. It differs by workspace, endpoint and kind of list.

    Args:
        config: The settings of the target.
    """
    url = endpoint(config.get("instance"), config.get("rest_endpoint"))
    if config["delivery"] == ATTRIBUTE:
        way = f"attribute {config['attribute_name']} {config['attribute_value']}"
    else:
        way = f"partner {config['partner_name']}"
    return f"{config['workspace']} {url} {way}"
