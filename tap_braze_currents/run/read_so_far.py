"""Sums up what a run has read so far, for the note in its STATE messages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from braze_mixpanel.settings.redaction import masked
from braze_mixpanel.singer.bucket_read import MOST_NAMED, BucketRead
from braze_mixpanel.singer.currents_streams import stream_id

if TYPE_CHECKING:
    from collections.abc import Collection

    from tap_braze_currents.planning.files_to_read import FilesToRead
    from tap_braze_currents.run.stream_progress import StreamProgress


def sum_up_read(plan: FilesToRead, progress: Collection[StreamProgress]) -> BucketRead:
    """Sum up what was read.

    Args:
        plan: What the run reads.
        progress: Of each selected event type.
    """
    selected = {stream_id(one.event_type) for one in progress}
    seen = plan.in_folders | plan.by_path.event_types
    others = sorted(name for name in seen if stream_id(name) not in selected)
    return BucketRead(
        source=masked(plan.source),
        files=sum(one.files for one in progress),
        first_hour=min((one.first_hour for one in progress if one.first_hour), default=""),
        last_hour=max((one.last_hour for one in progress), default=""),
        others=others[:MOST_NAMED],
        others_count=len(others),
    )
