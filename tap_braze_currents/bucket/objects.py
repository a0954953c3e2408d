"""The interface of a store: the four calls that the tap makes, and their results."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime


class StoredObject(NamedTuple):
    """One object of a listing."""

    path: str
    """The path, beginning with the bucket's name or, locally, the root of the file system."""
    size: int
    """In bytes."""
    modified: datetime | None
    """When it was last written, with a time zone. None if the store does not report it."""


class Children(NamedTuple):
    """The direct content of a folder."""

    folders: list[str]
    """Names without a path, sorted."""
    objects: list[StoredObject]


class Store(Protocol):
    """List and read objects. Paths begin with the bucket's name, or are absolute local paths."""

    def scan(self, folder: str, after: str = "") -> Iterator[list[StoredObject]]:
        """List all objects below a folder in the order of their paths, page by page.

        Args:
            folder: The path of the folder. A folder that does not exist is empty.
            after: A path. Only objects that sort after it are listed.
        """

    def children(self, folder: str) -> Children:
        """List one folder.

        Raises:
            FileNotFoundError: The folder does not exist. Only local folders raise this.
            NotADirectoryError: The path is a file.
        """

    def read(self, path: str, start: int | None = None, end: int | None = None) -> bytes:
        """Read an object, or the part of it from byte `start` to before byte `end`.

        Raises:
            FileNotFoundError: The object does not exist.
        """

    def look_up(self, path: str) -> StoredObject:
        """Return the size and time of one object.

        Raises:
            FileNotFoundError: The object does not exist.
        """
