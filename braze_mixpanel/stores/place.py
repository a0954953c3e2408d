"""Parse the URL of a place in a store, and open the store."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from braze_mixpanel.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from obstore.store import AzureStore, GCSStore, S3Store

    from braze_mixpanel.stores.use import Use

S3: Final = frozenset({"s3", "s3a"})
GOOGLE: Final = frozenset({"gs", "gcs"})
AZURE: Final = frozenset({"abfs", "abfss", "az", "adl", "azure"})
LOCAL: Final = frozenset({"file", "local"})
_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):(/{0,2})")
_NAME: Final = re.compile(r"[A-Za-z0-9$_.:-]+")


class Place(NamedTuple):
    """The place that a URL names.

    Attributes:
        scheme: The scheme in lower case.
        bucket: The name of the bucket, or of the container in Azure.
        prefix: The path in the bucket, without a slash at its end. It may be empty.
        account: The storage account, if an Azure URL names it.
    """

    scheme: str
    bucket: str
    prefix: str
    account: str | None = None


def parse_place(url: str, use: Use) -> Place | None:
    """Return the place that a URL names.

    Args:
        url: `s3://`, `gs://`, `abfs://`, `az://`, `file://`, or a local path.
        use: The names of the settings, for errors.

    Returns:
        The place. None for a local path, see `local_path`.

    Raises:
        SettingsError: The scheme is not supported, or the URL has no bucket.
    """
    found = _SCHEME.match(url)
    scheme = found[1].lower() if found else ""
    is_known = scheme in S3 | GOOGLE | AZURE | LOCAL
    if found is None or not (is_known or found[2]):
        return None
    if not is_known or (scheme not in LOCAL and found[2] != "//"):
        raise SettingsError(
            f"{use.url} {found[0]} is not known: use s3://, gs://, abfs:// or az://, file:// or "
            "a path."
        )
    if scheme in LOCAL:
        return None
    bucket, _, prefix = url[found.end() :].partition("/")
    account = None
    if scheme in AZURE and "@" in bucket:  # abfs://container@account.dfs.core.windows.net
        bucket, _, host = bucket.partition("@")
        account = host.partition(".")[0]
    if not _NAME.fullmatch(bucket):
        raise SettingsError(f"{use.url} names no bucket: {bucket!r} cannot be its name.")
    return Place(scheme, bucket, prefix.rstrip("/"), account)


def local_path(url: str) -> str:
    """Return the path of a `file://` URL. A path is returned unchanged."""
    scheme, separator, rest = url.partition("://")
    return rest or url if separator and scheme.lower() in LOCAL else url


def open_bucket(
    place: Place, options: Mapping[str, Any], use: Use
) -> S3Store | GCSStore | AzureStore:
    """Open the bucket of a place.

    This sends no request, except for an S3 bucket without a region in the options.

    Args:
        place: The place.
        options: The credentials and options of the store.
        use: The names of the settings, for errors.

    Raises:
        SettingsError: An option is wrong, or a package is missing.
    """
    from braze_mixpanel.stores import azure, google, s3  # noqa: PLC0415 - a folder needs none

    if place.scheme in S3:
        return s3.open_s3(place.bucket, options, use)
    if place.scheme in GOOGLE:
        return google.open_google(place.bucket, options, use)
    return azure.open_azure(place.bucket, place.account, options, use)
