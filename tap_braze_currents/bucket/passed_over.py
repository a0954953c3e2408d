"""Remembers the files that no run reads, since neither name nor place says that they hold events.

Pure: the listing adds what it leaves out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tap_braze_currents.bucket.layout import DATA_SUFFIXES

if TYPE_CHECKING:
    from tap_braze_currents.bucket.objects import StoredObject

_MOST_REMEMBERED: Final = 1000
_MOST_SHOWN: Final = 5


class PassedOver:
    """The files that a listing passed over; any thread may add one."""

    def __init__(self) -> None:
        """Start without files."""
        self._paths: set[str] = set()

    def add(self, stored: StoredObject) -> None:
        """Note a file, unless it is a mark: empty, or named as `_SUCCESS` or `.keep`."""
        name = stored.path.rpartition("/")[2]
        is_marker = name.startswith((".", "_")) and not name.lower().endswith(DATA_SUFFIXES)
        if stored.size and not is_marker and len(self._paths) < _MOST_REMEMBERED:
            self._paths.add(stored.path)

    def in_words(self) -> str | None:
        """Name the files in one line; None if there are none."""
        paths = sorted(self._paths)
        if not paths:
            return None
        shown = ", ".join(paths[:_MOST_SHOWN])
        if len(paths) > _MOST_SHOWN:
            least = "at least " if len(paths) == _MOST_REMEMBERED else ""
            shown += f" and {least}{len(paths) - _MOST_SHOWN} more"
        return (
            f"Passed over, since neither name nor folder says that they hold events: {shown}. "
            f"Outside the folder of an hour, names must end in {', '.join(DATA_SUFFIXES)}, and "
            "nowhere may they begin with a dot or an underscore."
        )
