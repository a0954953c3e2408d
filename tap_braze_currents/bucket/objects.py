"""The seam between the tap and a store: the few calls that the tap makes, and what they return."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


class StoredObject(NamedTuple):
    """What a listing says of one object."""

    path: str
    """From the bucket's name (or the root of the file system) on."""
    size: int
    """In bytes."""
    modified: datetime | None
    """With its time zone."""


class Children(NamedTuple):
    """What lies directly in a folder."""

    folders: list[str]
    """Names, in order."""
    objects: list[StoredObject]


class Store(Protocol):
    """Lists and reads objects. Paths begin with the bucket's name, or are absolute (local)."""

    def scan(self, folder: str, after: str = "") -> Iterator[list[StoredObject]]:
        """List everything below a folder in the order of the paths, page by page.

        Args:
            folder: A path; a folder that is not there is empty.
            after: A path: only objects that sort after it are listed.
        """

    def children(self, folder: str) -> Children:
        """List one folder.

        Raises:
            FileNotFoundError: It is not there, where the store knows folders.
            NotADirectoryError: It is a file.
        """

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read an object, or the part of it from byte `start` to before byte `end`.

        Raises:
            FileNotFoundError: It is not there.
        """

    def look_up(self, path: str) -> StoredObject:
        """Ask for one object without its content.

        Raises:
            FileNotFoundError: It is not there.
        """
