"""Begins a run: reads the state, lists the bucket, plans, and starts the threads."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING

from tap_braze_currents.planning.files_to_read import plan_files
from tap_braze_currents.run.progress_log import logging_progress
from tap_braze_currents.run.resuming import resume
from tap_braze_currents.run.run import Run
from tap_braze_currents.run.state_pace import StatePace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Executor

    from singer_sdk.helpers.types import TapState

    from tap_braze_currents.bucket.store import Bucket
    from tap_braze_currents.planning.limits import Limits
    from tap_braze_currents.run.conditions import RunConditions
    from tap_braze_currents.run.file_records import SelectedStream


@contextmanager
def begin_run(
    bucket: Bucket,
    limits: Limits,
    streams: Sequence[SelectedStream],
    state: TapState,
    write_state: Callable[[TapState], None],
    conditions: RunConditions,
    bytes_written: Callable[[], int],
) -> Iterator[Run]:
    """Plan a run over the bucket. Its background threads end with the `with` block.

    Args:
        bucket: The bucket that holds the files.
        limits: The settings that choose the files.
        streams: The selected streams in the order in which they are read.
        state: The tap's state. The run updates it in place.
        write_state: Emits a STATE message.
        conditions: The clocks, the file reader and the pace.
        bytes_written: Returns how many bytes have been written to standard output.

    Yields:
        The run. Its listings have started. Call `files` for each stream, then `finish`.

    Raises:
        ConnectorError: The bucket cannot be listed, or the state cannot be read.
    """
    begun_at = conditions.timer()
    every = conditions.seconds_between_reports
    with (
        _threads(conditions) as (listing, reading),
        logging_progress(conditions.timer, begun_at, every) as log,
    ):
        now = conditions.clock()
        folders = bucket.folders()
        progress = resume(streams, folders.event_types(), state, limits, now, conditions)
        bookmarks = {event_type: stream.bookmark for event_type, stream in progress.items()}
        run = Run(
            plan=plan_files(bucket, folders, limits, bookmarks, now, listing),
            progress=progress,
            state=state,
            write_state=write_state,
            read_file=lambda file: conditions.read_file(bucket, file),
            pool=reading,
            conditions=conditions,
            pace=StatePace(conditions, bytes_written, begun_at),
        )
        log.follow(run)
        yield run


@contextmanager
def _threads(conditions: RunConditions) -> Iterator[tuple[Executor, Executor]]:
    """Give the threads that list and those that read; none of them outlives the block."""
    pools = (
        ThreadPoolExecutor(conditions.listing_threads, "list"),
        ThreadPoolExecutor(conditions.reading_threads, "read"),
    )
    try:
        yield pools
    finally:
        # Wait for all threads: if the interpreter exits while a thread is inside the store's native
        # library, the process aborts. First cancel both pools, so that they end in parallel.
        for pool in pools:
            pool.shutdown(wait=False, cancel_futures=True)
        for pool in pools:
            pool.shutdown(wait=True)
