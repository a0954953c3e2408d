"""The key under which the known membership of one workspace is kept."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from target_braze_cohorts.settings.definitions import ATTRIBUTE
from target_braze_cohorts.settings.instances import endpoint

if TYPE_CHECKING:
    from collections.abc import Mapping


def workspace_key(config: Mapping[str, Any]) -> str:
    """Return the key: each workspace, endpoint and list has its own.

    Args:
        config: The settings.
    """
    url = endpoint(config.get("instance"), config.get("rest_endpoint"))
    if config["delivery"] == ATTRIBUTE:
        way = f"attribute {config['attribute_name']} {config['attribute_value']}"
    else:
        way = f"partner {config['partner_name']}"
    return f"{config['workspace']} {url} {way}"
