"""Opens what a run needs, and closes it at its end: the database, connections, the progress log.

Only a run and `--check` load this module, since SQLAlchemy and asyncio take time.
"""

from __future__ import annotations

import threading
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from braze_mixpanel.http.rate_limit import SharedRateLimit
from braze_mixpanel.http.send_loop import SendLoop
from braze_mixpanel.settings.redaction import protect_logs, secret_values
from target_braze_cohorts.braze.senders import Senders
from target_braze_cohorts.intake.cohort_records import Intake
from target_braze_cohorts.run.progress_log import logged_progress
from target_braze_cohorts.run.sync import Sync
from target_braze_cohorts.settings.definitions import SCHEMA
from target_braze_cohorts.settings.identifier_property import is_joined
from target_braze_cohorts.settings.workspace import workspace_key
from target_braze_cohorts.store import database
from target_braze_cohorts.store.run_tables import create_tables

if TYPE_CHECKING:
    import logging
    from collections.abc import Callable, Iterator, Mapping
    from datetime import datetime

    from target_braze_cohorts.braze.client import BrazeClient
    from target_braze_cohorts.intake.rejected_members import RejectedMembers

GRACE_SECONDS: Final = 10.0
"""Seconds that a request in flight may last after a signal."""


@dataclass(frozen=True)
class RunConditions:
    """How a run waits and reports, other than by its settings.

    Attributes:
        logger: Logs retries and progress.
        retry_waits: Gives the waits between the attempts of one request.
        chunk_rows: Records of the input in memory.
        progress_seconds: Seconds between two lines of progress.
    """

    logger: logging.Logger
    retry_waits: Callable[[], Iterator[float]]
    chunk_rows: int
    progress_seconds: float


@dataclass(frozen=True)
class OpenRun:
    """A run whose database is locked against other runs.

    Attributes:
        intake: Reads records by the role of their stream.
        sync: Plans and delivers when the input has ended.
    """

    intake: Intake
    sync: Sync
    _loop: SendLoop

    def stop(self, message: str) -> None:
        """Start no more requests; end those under way after a while.

        Args:
            message: Of the `StoppedError` that those who wait raise.
        """
        self._loop.stop(message)
        # A server that answers slowly, or never, must not hold the process.
        timer = threading.Timer(GRACE_SECONDS, self.sync.abort)
        timer.daemon = True
        timer.start()


@contextmanager
def open_run(
    config: Mapping[str, Any],
    client: BrazeClient,
    rejects: RejectedMembers,
    *,
    began: datetime,
    conditions: RunConditions,
) -> Iterator[OpenRun]:
    """Open the database and lock it against other runs before anything is read.

    Args:
        config: The target's settings.
        client: Sends one request.
        rejects: Writes the dead letters.
        began: The time of the run, with its zone.
        conditions: How it waits and reports.

    Raises:
        ConnectorError: The database or the store of the dead letter cannot be used.
    """
    url, workspace = config["membership_db"], workspace_key(config)
    protect_password(url)
    rejects.check()
    with ExitStack() as resources:
        connection = resources.enter_context(database.open_database(url, workspace))
        resources.callback(client.close)
        resources.callback(rejects.close)
        tables = create_tables(
            connection, workspace, joined=is_joined(config), chunk_rows=conditions.chunk_rows
        )
        rate_limit = SharedRateLimit(config["concurrency"])
        loop = SendLoop(
            client.endpoint,
            logger=conditions.logger,
            waits=conditions.retry_waits,
            gate=rate_limit,
        )
        senders = Senders(
            client,
            loop,
            rate_limit,
            concurrency=config["concurrency"],
            retry_seconds=config["retry_seconds"],
        )
        intake = Intake(config, tables.staging, rejects)
        sync = Sync(
            config, intake=intake, tables=tables, senders=senders, rejects=rejects, now=began
        )
        resources.enter_context(
            logged_progress(sync, conditions.logger, time.monotonic, conditions.progress_seconds)
        )
        yield OpenRun(intake, sync, loop)


def check_database(url: str) -> None:
    """Check that the membership database can be used; nothing is written.

    Raises:
        ConnectorError: It cannot.
    """
    protect_password(url)
    database.check_database(url)


def protect_password(url: str) -> None:
    """Mask the password in the database's URL in all logs from here on.

    Raises:
        SettingsError: It is no such URL.
    """
    # By the same rule as for settings: masking a very short password would garble every line.
    password = database.parse_url(url).password
    protect_logs(secret_values({"membership_db": password}, SCHEMA))
