"""What a run logs while it goes."""

from __future__ import annotations

import logging

from braze_mixpanel.files.dead_letter import DeadLetter
from target_mixpanel.run.clock import Clock
from target_mixpanel.run.pipeline import Pipeline, PipelineSettings
from target_mixpanel.run.progress_log import INTERVAL_SECONDS, ProgressLog
from tests.target_mixpanel.harness import dry_run


def test_a_line_every_ten_seconds_with_the_age_of_the_newest_event(tmp_path, caplog) -> None:
    caplog.set_level("INFO")
    now = [1000.0]
    clock = Clock(wall=lambda: now[0], steady=lambda: now[0])
    sender = dry_run(tmp_path, "test")
    pipeline = Pipeline(
        sender,
        DeadLetter(tmp_path, "test"),
        lambda _: None,
        PipelineSettings(2000, 2_000_000, 0.0, 0.1),
        clock=clock,
    )
    logger = logging.getLogger("test.progress")
    progress = ProgressLog(pipeline, sender, logger, logger, clock=clock)
    pipeline.account.settle(["Open"] * 40)
    pipeline.newest_imported = 990.0
    progress.log_if_due()
    assert caplog.messages == []
    now[0] += INTERVAL_SECONDS
    progress.log_if_due()
    progress.log_if_due()
    lines = [text for text in caplog.messages if "imported," in text]
    assert lines == [
        "40 imported, 4 a second, 0 requests in flight, 0 retries, newest event 20 s old"
    ]
