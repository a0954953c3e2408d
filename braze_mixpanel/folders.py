"""Whether files can be made, asked before anything has been sent."""

from __future__ import annotations

import os
from pathlib import Path


def find_problem(setting: str, folder: Path | str) -> str | None:
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
