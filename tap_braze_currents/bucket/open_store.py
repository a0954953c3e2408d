"""Open the store that `storage_url` names."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from braze_mixpanel.stores.options import Options
from braze_mixpanel.stores.place import local_path, open_bucket, parse_place
from braze_mixpanel.stores.use import Use
from tap_braze_currents.bucket.local_folder import LocalFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_braze_currents.bucket.objects import Store

CURRENTS: Final = Use("storage_url", "storage_options")
"""The names of the settings, for error messages about the store."""


class Opened(NamedTuple):
    """A store, the path in it that the URL names, and where that is for people."""

    store: Store
    root: str
    address: str
    """The URL without an account or options, or the path of a local folder."""


def open_store(url: str, options: Mapping[str, Any]) -> Opened:
    """Open a store.

    This sends no request, except for an S3 bucket without a region in the options: there one
    request asks for the region.

    Args:
        url: `s3://`, `gs://`, `abfs://`, `az://`, `file://`, or a local path.
        options: The setting `storage_options`.

    Raises:
        SettingsError: The URL or an option is wrong, or a package is missing.
    """
    place = parse_place(url, CURRENTS)
    if place is None:
        Options(options, (), CURRENTS).finish()
        root = str(Path(local_path(url)).expanduser().absolute())
        return Opened(LocalFolder(), root, root)
    # Imported here because a local folder does not need obstore.
    from tap_braze_currents.bucket.object_store import ObjectStore  # noqa: PLC0415

    store = ObjectStore(place.bucket, open_bucket(place, options, CURRENTS))
    root = f"{place.bucket}/{place.prefix}".rstrip("/")
    return Opened(store, root, f"{place.scheme}://{root}")
