"""Read the bookmarks of all streams from the state."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.singer.currents_streams import stream_id
from tap_braze_currents.planning.bookmark import Bookmark
from tap_braze_currents.run.stream_progress import StreamProgress

if TYPE_CHECKING:
    from collections.abc import Sequence
    from collections.abc import Set as AbstractSet
    from datetime import datetime

    from singer_sdk.helpers.types import TapState

    from tap_braze_currents.planning.limits import Limits
    from tap_braze_currents.run.conditions import RunConditions
    from tap_braze_currents.run.file_records import SelectedStream

logger = logging.getLogger("tap-braze-currents")


def resume(
    streams: Sequence[SelectedStream],
    in_folders: AbstractSet[str],
    state: TapState,
    limits: Limits,
    now: datetime,
    conditions: RunConditions,
) -> dict[str, StreamProgress]:
    """Return the progress of each stream, with the bookmark of its earlier runs.

    Event types that differ only in letter case form one stream, but each spelling has its own
    folder, and so its own bookmark. With one bookmark for all, the newest hour of one spelling
    would seal unread hours of another. The first spelling has the bookmark under the stream's name:
    it is the spelling that the state names, or else the one of the registry. The other bookmarks
    have the name `stream:spelling`.

    Args:
        streams: The selected streams.
        in_folders: The event types as the bucket's folders spell them.
        state: The tap's state.
        limits: The settings of this run.
        now: When the run began.
        conditions: The bounds for the size of a bookmark.

    Returns:
        Event type → progress, in the order of the streams.

    Raises:
        SettingsError: The state cannot be read.
    """
    bookmarks = state.get("bookmarks", {})
    if not isinstance(bookmarks, dict):
        raise SettingsError("The state holds no bookmarks: start over with --full-refresh.")
    spellings: dict[str, list[str]] = {}
    for event_type in sorted(in_folders):
        spellings.setdefault(stream_id(event_type), []).append(event_type)
    progress = {}
    for stream in streams:
        own = bookmarks.get(stream.name, {})
        first = str(own.get("event_type") or stream.event_type) if isinstance(own, dict) else ""
        for event_type in dict.fromkeys(
            [first, stream.event_type, *spellings.get(stream.name, [])]
        ):
            name = stream.name if event_type == first else f"{stream.name}:{event_type}"
            bookmark = Bookmark.from_state(
                bookmarks.get(name, {}),
                most_late_files=conditions.most_late_files,
                most_pending_files=conditions.most_pending_files,
            )
            bookmark.begin_run(now, limits.start_hour, limits.lookback_hours)
            progress[event_type] = StreamProgress(name, event_type, bookmark)
    begun = max((known.bookmark.start_hour for known in progress.values()), default="")
    if limits.start_hour < begun and not limits.sweep:
        logger.warning(
            "start_date is earlier than in the first run, which began with %s. To read the hours "
            "before that, set sweep for one run.",
            begun,
        )
    return progress
