"""Write and read the objects below a prefix of a store, for the files of a run."""

from __future__ import annotations

import secrets
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.stores.connection import require_usable
from braze_mixpanel.stores.place import open_bucket, parse_place
from braze_mixpanel.stores.service_answers import ServiceError, as_service_error, is_panic
from braze_mixpanel.stores.store_errors import explain, is_denied

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from obstore.store import AzureStore, GCSStore, S3Store

    from braze_mixpanel.stores.use import Use


class StoreFolder:
    """Write and read objects below a prefix. Each call sends one request, without retries.

    An object exists completely or not at all: it is sent in one PUT, which the services apply when
    all bytes have arrived. It has no ACL, so the permissions of the bucket apply.
    """

    def __init__(self, url: str, options: Mapping[str, Any], use: Use) -> None:
        """Read the URL; nothing is asked of the service yet.

        Args:
            url: The URL of the folder.
            options: Credentials and options of the store.
            use: What it is used for.

        Raises:
            SettingsError: The URL is none of a store, a part of its path cannot be one, or an
                option of the connection is wrong.
        """
        place = parse_place(url, use)
        if place is None:
            raise SettingsError(f"{use.url} {url} is a path, not the URL of a store.")
        parts = place.prefix.split("/") if place.prefix else []
        if any(part in {"", ".", ".."} for part in parts):
            raise SettingsError(
                f"{use.url} {url} holds an empty, '.' or '..' part: write the path without it."
            )
        require_usable(options, use)
        self.url = url.rstrip("/")
        self._place, self._options, self._use = place, options, use

    def where(self, name: str) -> str:
        """Return the URL of an object."""
        return f"{self.url}/{name}"

    def check(self) -> None:
        """Check that the bucket exists and accepts the credentials, without writing to it.

        This reads an object that does not exist. If the service denies this request, that is no
        error, because the credentials may have permission only to write.

        Raises:
            ConnectorError: The store cannot be used.
        """
        name = f".check-{secrets.token_hex(8)}"
        try:
            self.read(name)
        except (FileNotFoundError, _DeniedError):
            return

    def write(self, name: str, content: bytes, content_type: str) -> None:
        """Write an object as a whole, and wait until the service has acknowledged it.

        Args:
            name: Its name below the prefix.
            content: Its bytes.
            content_type: Its media type.

        Raises:
            ConnectorError: It was not written.
        """
        with self._explained(name):
            self._store.put(
                self._key(name),
                content,
                attributes={"Content-Type": content_type},
                use_multipart=False,  # an unfinished multipart upload would cost money
            )

    def read(self, name: str) -> bytes:
        """Read an object.

        Raises:
            FileNotFoundError: It is not there.
            ConnectorError: It cannot be read.
        """
        with self._explained(name):
            return bytes(self._store.get(self._key(name)).bytes())

    def names(self) -> list[str]:
        """List the names of all objects below the prefix, in order.

        Raises:
            ConnectorError: They cannot be listed.
        """
        from braze_mixpanel.stores.listing import pages_of  # noqa: PLC0415 - loads obstore

        begin = len(self._key(""))
        with self._explained(""):
            pages = self._store.list(self._place.prefix or None)
            return sorted(found["path"][begin:] for page in pages_of(pages) for found in page)

    @cached_property
    def _store(self) -> S3Store | GCSStore | AzureStore:
        return open_bucket(self._place, self._options, self._use)

    def _key(self, name: str) -> str:
        return f"{self._place.prefix}/{name}" if self._place.prefix else name

    @contextmanager
    def _explained(self, name: str) -> Iterator[None]:
        from obstore.exceptions import BaseError  # noqa: PLC0415 - see above

        try:
            yield
        except ServiceError as error:
            raise explain(error, self.where(name), self._use) from None
        except BaseException as error:
            known = isinstance(error, (BaseError, FileNotFoundError, ValueError))
            if not known and not is_panic(error):
                raise
            found = as_service_error(error, self.where(name))
            if isinstance(found, FileNotFoundError):
                raise found from None
            if is_denied(found):
                text = str(explain(found, self.where(name), self._use))
                raise _DeniedError(text) from None
            raise explain(found, self.where(name), self._use) from None


class _DeniedError(SettingsError):
    """The credentials are accepted, but have no permission for this request."""
