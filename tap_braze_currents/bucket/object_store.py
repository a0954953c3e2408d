"""A bucket of S3, Google Cloud Storage or Azure as a store, accessed through obstore."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError

from braze_mixpanel.stores.listing import pages_of, within_memory
from braze_mixpanel.stores.service_answers import as_service_error, is_panic
from tap_braze_currents.bucket.objects import Children, StoredObject
from tap_braze_currents.formats.errors import BrokenFileError
from tap_braze_currents.formats.limits import FILE_BYTES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from obstore import ObjectMeta
    from obstore.store import AzureStore, GCSStore, S3Store

    CloudStore = S3Store | GCSStore | AzureStore

_KEYS_A_PAGE = 1000
"""The most keys that the services return for one request."""


class ObjectStore:
    """List and read objects. A call sends one request; a long listing sends one for each page."""

    def __init__(self, bucket: str, store: CloudStore) -> None:
        """Wrap a store of obstore. This sends no request.

        Args:
            bucket: The bucket's name. Every path begins with it.
            store: The obstore store of the whole bucket.
        """
        self._before = f"{bucket}/"
        self._store = store

    def scan(self, folder: str, after: str = "") -> Iterator[list[StoredObject]]:
        """List all objects below a folder in the order of their keys, one page a request.

        Raises:
            ServiceError: The service answered with an error.
        """
        with _translated(folder):
            pages = obstore.list(
                self._store,
                self._key(folder) or None,
                offset=self._key(after) or None,
                chunk_size=_KEYS_A_PAGE,
            )
            for page in pages_of(pages):
                if objects := [self._object(found) for found in page if not _is_marker(found)]:
                    yield objects

    def children(self, folder: str) -> Children:
        """List one folder. A folder that does not exist is empty.

        Raises:
            ServiceError: The service answered with an error.
        """
        with _translated(folder):
            with within_memory():
                found = obstore.list_with_delimiter(self._store, self._key(folder) or None)
            folders = sorted({path.rpartition("/")[2] for path in found["common_prefixes"]})
            objects = [self._object(one) for one in found["objects"] if not _is_marker(one)]
            return Children(folders, objects)

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read an object, or the part of it from byte `start` to before byte `end`, with one GET.

        Raises:
            FileNotFoundError: The object does not exist.
            BrokenFileError: The object is larger than `FILE_BYTES`.
            ServiceError: The service answered with an error.
        """
        key = self._key(path)
        with _translated(path):
            if end is None:
                found = obstore.get(self._store, key)
                if found.meta["size"] > FILE_BYTES:  # it may have grown since it was listed
                    raise BrokenFileError(f"it is larger than {FILE_BYTES >> 20} MiB")
                return found.bytes().to_bytes()
            return obstore.get_range(self._store, key, start=start or 0, end=end).to_bytes()

    def look_up(self, path: str) -> StoredObject:
        """Return the size and time of one object with one HEAD request.

        Raises:
            FileNotFoundError: The object does not exist.
            ServiceError: The service answered with an error.
        """
        with _translated(path):
            return self._object(obstore.head(self._store, self._key(path)))

    def _key(self, path: str) -> str:
        return path[len(self._before) :]

    def _object(self, found: ObjectMeta) -> StoredObject:
        return StoredObject(self._before + found["path"], found["size"], found["last_modified"])


def _is_marker(found: ObjectMeta) -> bool:
    """Return whether an object only marks an empty folder.

    The consoles of the stores write such objects: empty, with a slash at the end of the key.
    obstore removes the slash, so the test here is an empty object without a suffix.
    """
    return found["size"] == 0 and "." not in found["path"].rpartition("/")[2]


@contextmanager
def _translated(path: str) -> Iterator[None]:
    """Convert errors of obstore into the errors of this project."""
    try:
        yield
    except BaseException as error:
        if not isinstance(error, (BaseError, FileNotFoundError, ValueError)) and not is_panic(
            error
        ):
            raise
        raise as_service_error(error, path) from None
