"""Find the file of a SQLite database, and make it private, because it holds people's ids."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, unquote, urlsplit

if TYPE_CHECKING:
    from sqlalchemy import URL


def sqlite_file(url: URL) -> Path | None:
    """Return the file of a SQLite database, also if the URL contains a `file:` URI.

    Args:
        url: The URL of a SQLite database.

    Returns:
        The path, or None for a database in memory or in a file that SQLite deletes at the end.
    """
    name = url.database or ":memory:"
    if name.startswith("file:"):
        query = dict(parse_qsl(name.partition("?")[2])) | dict(url.query)
        if query.get("mode") == "memory" or query.get("vfs") == "memdb":
            return None
        name = unquote(urlsplit(name).path) or ":memory:"
    return None if name.strip() in {"", ":memory:"} else Path(name)


def make_private(path: Path) -> None:
    """Create the database file if it is missing, and make it readable only by its owner.

    A file of another owner is not changed: its owner decides who may read it. SQLite gives its
    other files (`-wal`, `-shm`) the same permissions.

    Args:
        path: The path of the database.

    Raises:
        OSError: The file cannot be created.
    """
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except FileExistsError:
        for name in (path, *(Path(f"{path}{end}") for end in ("-wal", "-shm", "-journal"))):
            with suppress(FileNotFoundError, PermissionError):
                name.chmod(0o600)
