"""Opens the store that `storage_url` names."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from braze_mixpanel.errors import SettingsError
from tap_braze_currents.bucket.clouds.options import Options
from tap_braze_currents.bucket.local_folder import LocalFolder

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tap_braze_currents.bucket.objects import Store

_S3 = frozenset({"s3", "s3a"})
_GOOGLE = frozenset({"gs", "gcs"})
_AZURE = frozenset({"abfs", "abfss", "az", "adl", "azure"})
_LOCAL = frozenset({"file", "local"})
_NAME = re.compile(r"[A-Za-z0-9$_.:-]+")


class Opened(NamedTuple):
    """A store, and the path in it that the URL names."""

    store: Store
    root: str


def open_store(url: str, options: Mapping[str, Any]) -> Opened:
    """Open a store. Only an S3 bucket without a region costs a request.

    Args:
        url: `s3://`, `gs://`, `abfs://`, `az://`, `file://`, or a path.
        options: The setting `storage_options`.

    Raises:
        SettingsError: The URL or an option is wrong, or a package is missing.
    """
    scheme, separator, rest = url.partition("://")
    scheme = scheme.lower()
    if not separator or scheme in _LOCAL:
        Options(options, ()).finish()
        return Opened(LocalFolder(), str(Path(rest or url).expanduser().absolute()))
    if scheme not in _S3 | _GOOGLE | _AZURE:
        raise SettingsError(
            f"storage_url {scheme}:// is not known: use s3://, gs://, abfs:// or az://, file:// or "
            "a path."
        )
    bucket, _, prefix = rest.partition("/")
    account = None
    if scheme in _AZURE and "@" in bucket:  # abfs://container@account.dfs.core.windows.net
        bucket, _, host = bucket.partition("@")
        account = host.partition(".")[0]
    if not _NAME.fullmatch(bucket):
        raise SettingsError(f"storage_url names no bucket: {bucket!r} cannot be its name.")
    return Opened(_object_store(scheme, bucket, account, options), f"{bucket}/{prefix}".rstrip("/"))


def _object_store(
    scheme: str, bucket: str, account: str | None, options: Mapping[str, Any]
) -> Store:
    from tap_braze_currents.bucket import object_store  # noqa: PLC0415 - no local folder needs it
    from tap_braze_currents.bucket.clouds import azure, google, s3  # noqa: PLC0415

    store: object_store.CloudStore
    if scheme in _S3:
        store = s3.open_s3(bucket, options)
    elif scheme in _GOOGLE:
        store = google.open_google(bucket, options)
    else:
        store = azure.open_azure(bucket, account, options)
    return object_store.ObjectStore(bucket, store)
