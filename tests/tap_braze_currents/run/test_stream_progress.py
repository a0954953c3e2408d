"""The closing table of the tap."""

from __future__ import annotations

from datetime import datetime, timezone

from tap_braze_currents.planning.bookmark import Bookmark
from tap_braze_currents.planning.files_to_read import Waiting
from tap_braze_currents.run.stream_progress import StreamProgress, progress_table

NOW = datetime(2026, 11, 3, 12, tzinfo=timezone.utc)


def test_of_many_streams_those_that_wait_have_lines_and_one_sums_up_the_small_ones() -> None:
    streams = []
    for number in range(60):
        progress = StreamProgress(f"stream_{number:02}", "x", Bookmark())
        progress.files, progress.records = 1, number
        streams.append((progress, Waiting(beyond_limit=2 if number == 4 else 0)))
    lines = progress_table(streams, NOW).splitlines()
    assert len(lines) == 41
    assert lines[1].startswith("stream_04")
    assert lines[1].endswith("2 beyond max_files_per_run")
    assert lines[-1].split() == ["…", "and", "21", "more", "21", str(sum(range(22)) - 4), "none"]
