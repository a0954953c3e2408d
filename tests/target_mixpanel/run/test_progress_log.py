"""What a run logs while it goes."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

import pytest

from braze_mixpanel.clock import Clock
from braze_mixpanel.files.dead_letter import DeadLetter
from target_mixpanel.run import progress_log
from target_mixpanel.run.pipeline import Pipeline, PipelineSettings
from target_mixpanel.run.progress_log import INTERVAL_SECONDS, ProgressLog
from tests.fakes.mixpanel_faults import too_many
from tests.target_mixpanel.harness import dry_run, opens, run, schema

if TYPE_CHECKING:
    from pathlib import Path


class World:
    """A pipeline without a service, and a clock that the test moves."""

    def __init__(self, folder: Path) -> None:
        self.now = 1000.0
        clock = Clock(wall=lambda: self.now, steady=lambda: self.now)
        self.sender = dry_run(folder, "test")
        self.pipeline = Pipeline(
            self.sender,
            DeadLetter(folder, "test"),
            lambda _: None,
            PipelineSettings(2000, 2_000_000, 0.0, 0.1),
            clock=clock,
        )
        logger = logging.getLogger("test.progress")
        self.progress = ProgressLog(self.pipeline, self.sender, logger, logger, clock=clock)


@pytest.fixture
def world(tmp_path, caplog) -> World:
    caplog.set_level("INFO")
    return World(tmp_path)


def lines(caplog) -> list[str]:
    return [text for text in caplog.messages if "events imported" in text]


def test_a_line_every_ten_seconds_with_the_age_of_the_newest_event(world, caplog) -> None:
    world.pipeline.account.settle(["Open"] * 40)
    world.pipeline.newest_imported = 990.0
    world.progress.log_if_due()
    assert caplog.messages == []
    world.now += INTERVAL_SECONDS
    world.progress.log_if_due()
    world.progress.log_if_due()
    assert lines(caplog) == [
        "40 events imported, 4 a second; 0 requests in flight, 0 retried; newest event 20 s old"
    ]


def test_the_rate_is_that_of_the_last_ten_seconds(world, caplog) -> None:
    for _ in range(2):
        world.pipeline.account.settle(["Open"] * 10_000)
        world.now += INTERVAL_SECONDS
        world.progress.log_if_due()
    assert [" 1,000 a second" in line for line in lines(caplog)] == [True, True]


def test_a_pause_is_part_of_the_line(world, caplog) -> None:
    world.sender.paused_for = 42.0
    world.now += INTERVAL_SECONDS
    world.progress.log_if_due()
    assert "0 requests in flight, the next in 42 s" in caplog.text


def test_a_long_run_ends_with_a_line_about_the_whole(world, caplog) -> None:
    world.pipeline.account.settle(["Open"] * 40_000)
    world.now += 20
    world.progress.log_end()
    assert lines(caplog) == ["40,000 events imported in 20.0 s: 2,000 a second, 0 requests retried"]


def test_a_short_run_ends_with_its_table_only(world, caplog) -> None:
    world.now += 9
    world.progress.log_end()
    assert "No record was read" in caplog.text
    assert lines(caplog) == []


def test_a_line_comes_also_while_mixpanel_asks_to_wait(mixpanel, tmp_path, caplog, monkeypatch):
    """The queue is full, nothing is read, and all senders wait for the same pause."""
    caplog.set_level("INFO")
    monkeypatch.setattr(progress_log, "INTERVAL_SECONDS", 0.3)
    mixpanel.policy = [None, too_many(1.0)]
    result = run(schema() + opens(8), mixpanel, tmp_path, batch_size=1, concurrency=1)
    assert result.error is None
    assert ", the next in " in caplog.text
