"""Log the progress of a run, and the closing table at its end."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from singer_sdk import metrics

from braze_mixpanel.clean_text import Lines, one_line
from braze_mixpanel.clock import SYSTEM_CLOCK, Clock
from target_mixpanel.run.account import by_event
from target_mixpanel.run.estimate import estimate

if TYPE_CHECKING:
    import logging

    from target_mixpanel.run.estimate import Estimate
    from target_mixpanel.run.pipeline import Pipeline
    from target_mixpanel.sending.batch_sender import BatchSender
    from target_mixpanel.sending.dry_run import DryRun

INTERVAL_SECONDS = 10.0
_MOST_NAMED = 100
"""The most event names in a metric. Custom events may have any number of names."""


class ProgressLog:
    """Log a line every ten seconds, and the closing table. Both also go out as SDK metrics.

    The number of events to come is not known, so no line can estimate when the run will end.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        sender: BatchSender,
        logger: logging.Logger,
        metrics_logger: logging.Logger,
        *,
        dry_run: DryRun | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """Start the clock of the run.

        Args:
            pipeline: The pipeline of the run.
            sender: The sender, for the number of requests.
            logger: The logger for the lines.
            metrics_logger: The logger for the metrics.
            dry_run: The sender of a dry run, or None if events are sent.
            clock: The clock for the interval and for the age of the newest event.
        """
        self._pipeline, self._sender, self._dry_run = pipeline, sender, dry_run
        self._logger, self._metrics_logger = logger, metrics_logger
        self._clock = clock
        self._started = self._last_line = clock.steady()
        self._last_imported = 0

    def log_if_due(self) -> None:
        """Log a line if ten seconds have passed since the last line."""
        now = self._clock.steady()
        if now - self._last_line < INTERVAL_SECONDS:
            return
        imported = self._pipeline.account.imported.total()
        rate = (imported - self._last_imported) / (now - self._last_line)
        self._last_line, self._last_imported = now, imported
        self._logger.info(
            "%s events imported, %s a second; %d requests in flight%s, %d retried%s",
            f"{imported:,}",
            f"{rate:,.0f}",
            self._sender.in_flight,
            self._pause(),
            self._sender.retries,
            self._age(),
        )
        self._measure("imported", imported, {})

    def _pause(self) -> str:
        seconds = self._sender.paused_for
        return f", the next in {seconds:.0f} s" if seconds else ""

    def _age(self) -> str:
        newest = self._pipeline.newest_imported
        return f"; newest event {self._clock.wall() - newest:,.0f} s old" if newest else ""

    def _log_whole_run(self) -> None:
        seconds = self._clock.steady() - self._started
        if seconds < INTERVAL_SECONDS:
            return
        imported = self._pipeline.account.imported.total()
        self._logger.info(
            "%s events imported in %s s: %s a second, %d requests retried",
            f"{imported:,}",
            f"{seconds:,.1f}",
            f"{imported / seconds:,.0f}",
            self._sender.retries,
        )

    def log_end(self) -> None:
        """Log the closing table, the files that the run wrote, and the figures of a long run."""
        account, dead_letter = self._pipeline.account, self._pipeline.dead_letter
        forecast = self._estimate()
        table = account.table(dry_run=self._dry_run is not None, estimate=forecast)
        lines = [f"Outcome of every record:\n{table}" if account.read else "No record was read."]
        if forecast is not None:
            lines.append(forecast.basis())
        lines += [
            f"{reason}: {words}" for reason, words in sorted(account.explanations.items()) if words
        ]
        if self._dry_run is not None:
            holds = "holds the events" if self._dry_run.whole else "is not complete"
            lines.append(
                f"Dry run, nothing was sent: {self._dry_run.where} {holds}. STATE was not changed."
            )
        if dead_letter.count:
            lines.append(
                f"{dead_letter.count} rejected records with the reason: {dead_letter.where}"
            )
        if self._sender.retries:
            lines.append(f"{self._sender.retries} requests were retried.")
        for outcome, counts in (("read", account.read), ("imported", account.imported)):
            named = {one_line(name): count for name, count in counts.most_common(_MOST_NAMED)}
            self._measure(outcome, counts.total(), {"by_event": dict(sorted(named.items()))})
        for outcome, reasons in (("skipped", account.skipped), ("rejected", account.rejected)):
            most = Counter(dict(reasons.most_common(_MOST_NAMED)))
            events = {one_line(name): why for name, why in by_event(most).items()}
            self._measure(outcome, reasons.total(), {"by_event": events})
        self._logger.info("%s", Lines("\n".join(lines)))
        self._log_whole_run()

    def _estimate(self) -> Estimate | None:
        """Return the estimate of the events a day and a month in a dry run, or else None."""
        timeline = self._pipeline.timeline
        return estimate(timeline) if self._dry_run is not None and timeline is not None else None

    def _measure(self, outcome: str, value: int, tags: dict[str, Any]) -> None:
        metrics.log(
            self._metrics_logger,
            metrics.Point(
                "counter", metrics.Metric.RECORD_COUNT, value, {"outcome": outcome, **tags}
            ),
        )
