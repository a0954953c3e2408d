"""The files of a run: whether they can be made, asked before anything was sent; and making them."""

from __future__ import annotations

import os
import secrets
from datetime import datetime, timezone
from pathlib import Path


def find_folder_problem(setting: str, folder: Path | str) -> str | None:
    """Look whether files can be made in a folder, which need not exist yet; makes nothing.

    Args:
        setting: The setting that names it.
        folder: The folder.

    Returns:
        What is wrong and what to do, in one line; None if nothing is.
    """
    path = Path(folder).absolute()
    nearest = next(place for place in (path, *path.parents) if place.exists())
    if not nearest.is_dir():
        return f"Setting {setting} is wrong: {nearest} is a file, not a folder."
    if not os.access(nearest, os.W_OK | os.X_OK):
        return (
            f"Setting {setting} is wrong: no file can be made in {nearest}. "
            "Give another folder, or the right to write there."
        )
    return None


def name_file(folder: Path | str, name: str) -> Path:
    """Name a file of this run: names sort by time, and no other run has the same.

    A process id would not do: containers that start in the same second have the same ones.

    Args:
        folder: Where it lies.
        name: What it is called by, before time and chance.
    """
    stamp = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    return Path(folder) / f"{name}-{stamp}-{secrets.token_hex(4)}.jsonl"


def make_file(path: Path) -> int:
    """Make a file of personal data, its owner's alone (0600, in a folder of 0700).

    Returns:
        Its descriptor, to append to.

    Raises:
        OSError: It cannot be made, or is there already.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
