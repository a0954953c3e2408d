"""The file of a SQLite database with people's ids: where it is, and who may read it."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from sqlalchemy import URL


def sqlite_file(url: URL) -> Path | None:
    """Give the file of a SQLite database, also where the URL names it as a `file:` URI.

    Args:
        url: Of SQLite.

    Returns:
        The path; None for a database in memory, or in a file that SQLite deletes at the end.
    """
    name = url.database or ":memory:"
    if name.startswith("file:"):
        query = dict(parse_qsl(name.partition("?")[2])) | dict(url.query)
        if query.get("mode") == "memory" or query.get("vfs") == "memdb":
            return None
        name = unquote(urlsplit(name).path) or ":memory:"
    return None if name.strip() in {"", ":memory:"} else Path(name)


def make_private(path: Path) -> None:
    """Make the database readable by its owner only, whether it is new or not.

    A file that belongs to somebody else stays as it is: its owner decides who reads it. SQLite
    gives its other files the same rights.

    Args:
        path: The database.

    Raises:
        OSError: It cannot be made.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        for name in (path, *(Path(f"{path}{end}") for end in ("-wal", "-shm", "-journal"))):
            with suppress(FileNotFoundError, PermissionError):
                name.chmod(0o600)
