"""Create the files of a run, and check before the run that they can be created."""

from __future__ import annotations

import os
import secrets
from datetime import datetime, timezone
from pathlib import Path


def find_folder_problem(setting: str, folder: Path | str) -> str | None:
    """Check that files can be created in a folder. The folder may be missing. Creates nothing.

    Args:
        setting: The name of the setting for the folder.
        folder: The folder.

    Returns:
        The mistake and what to do, in one line, or None.
    """
    path = Path(folder).absolute()
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not nearest.is_dir():
        return f"Setting {setting} is wrong: {nearest} is a file, not a folder."
    if not os.access(nearest, os.W_OK | os.X_OK):
        return (
            f"Setting {setting} is wrong: no file can be created in {nearest}. "
            "Give another folder, or the right to write there."
        )
    return None


def name_file(folder: Path | str, name: str) -> Path:
    """Return a unique file name for this run. The names of all runs sort by time.

    The random number is needed: containers that start in the same second have the same process id.

    Args:
        folder: The folder of the file.
        name: The start of the file name. The time and a random number follow.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return Path(folder) / f"{name}-{stamp}-{secrets.token_hex(4)}.jsonl"


def make_file(path: Path) -> int:
    """Create a file for personal data that only its owner can read (0600, in a folder of 0700).

    Returns:
        The file descriptor, open for appending.

    Raises:
        OSError: The file cannot be created, or already exists.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
