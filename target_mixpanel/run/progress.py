"""What a run tells while it goes and at its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from singer_sdk import metrics

from target_mixpanel.run.account import by_event
from target_mixpanel.sending.dry_run import DryRun

if TYPE_CHECKING:
    import logging

    from target_mixpanel.run.pipeline import Pipeline
    from target_mixpanel.sending.delivery import BatchDelivery

INTERVAL_SECONDS = 10.0


class Progress:
    """A line every ten seconds, the closing table, and both as the SDK's metrics."""

    def __init__(
        self,
        pipeline: Pipeline,
        sender: BatchDelivery | DryRun,
        logger: logging.Logger,
        metrics_logger: logging.Logger,
    ) -> None:
        """Start the clock.

        Args:
            pipeline: Whose account is told.
            sender: Whose requests are told.
            logger: Takes the lines.
            metrics_logger: Takes the metrics.
        """
        self._pipeline, self._sender = pipeline, sender
        self._logger, self._metrics_logger = logger, metrics_logger
        self._started = self._told = time.monotonic()

    def tell_when_due(self) -> None:
        """Log a line if the last one is ten seconds old."""
        now = time.monotonic()
        if now - self._told < INTERVAL_SECONDS:
            return
        self._told = now
        imported = self._pipeline.account.imported.total()
        lag = time.time() - self._pipeline.newest_imported if imported else 0.0
        self._logger.info(
            "%d imported, %.0f a second, %d requests in flight, %d retries, "
            "newest event %.0f s old",
            imported,
            imported / (now - self._started),
            self._sender.in_flight,
            self._sender.retries,
            lag,
        )
        self._measure("imported", imported, {})

    def tell_end(self) -> None:
        """Log the closing table, and where everything lies."""
        account, sender = self._pipeline.account, self._sender
        lines = [account.table(dry_run=isinstance(sender, DryRun))]
        if isinstance(sender, DryRun):
            holds = "holds the events" if sender.whole else "is not whole"
            lines.append(f"Dry run, nothing was sent: {sender.path} {holds}. STATE stays.")
        dead_letter = self._pipeline.dead_letter
        if dead_letter.count:
            lines.append(
                f"{dead_letter.count} rejected records, with the reason: {dead_letter.path}"
            )
        if sender.retries:
            lines.append(f"{sender.retries} requests were sent again.")
        for outcome, counts in (("read", account.read), ("imported", account.imported)):
            self._measure(outcome, counts.total(), {"by_event": dict(sorted(counts.items()))})
        for outcome, reasons in (("skipped", account.skipped), ("rejected", account.rejected)):
            self._measure(outcome, reasons.total(), {"by_event": by_event(reasons)})
        self._logger.info("What became of every record:\n%s", "\n".join(lines))

    def _measure(self, outcome: str, value: int, tags: dict[str, Any]) -> None:
        metrics.log(
            self._metrics_logger,
            metrics.Point(
                "counter", metrics.Metric.RECORD_COUNT, value, {"outcome": outcome, **tags}
            ),
        )
