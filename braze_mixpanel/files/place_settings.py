"""The settings with paths of a run's files: folders, files, and URLs of a store."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from singer_sdk import typing as th

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.files.private_files import find_folder_problem
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.place import local_path, parse_place
from braze_mixpanel.stores.use import Use

if TYPE_CHECKING:
    from collections.abc import Mapping

PLACES = "s3://, gs:// or abfs://"
"""Schemes of URLs, as descriptions name them."""
PATH_OPTIONS: th.Property[dict[str, Any]] = th.Property(
    "path_options",
    th.ObjectType(additional_properties=True),
    default={},
    secret=True,
    description=(
        "Credentials and endpoint of the store for paths that are URLs. The names are those of the "
        "tap's storage_options: key, secret, endpoint_url, …"
    ),
)


def find_place_problem(setting: str, config: Mapping[str, Any]) -> str | None:
    """Check a setting for a folder, without writing and without a request.

    Args:
        setting: The name of the setting.
        config: The settings.

    Returns:
        The mistake and what to do, in one line, or None.
    """
    place = config[setting]
    use = Use(setting, "path_options", writes=True)
    try:
        if parse_place(place, use) is not None:
            StoreFolder(place, config.get("path_options") or {}, use)
            return None
    except SettingsError as error:
        return f"Setting {error}"
    return find_folder_problem(setting, local_path(place))
