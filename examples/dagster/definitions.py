"""Dagster: the regular run every 15 minutes, and a backfill over partitions of day and group.

Put `meltano_run.py` and `parts.py` beside this file and set MELTANO_PROJECT to the folder of the
Meltano project. The code location needs `meltano` on its PATH and the settings of the plugins in
its environment. Limit how many partitions run at a time in Dagster's own settings
(`concurrency.runs.max_concurrent_runs`): 4 are enough.
"""

# No `from __future__ import annotations` here: Dagster looks at the types themselves.
import json
import os
import subprocess
import sys
from pathlib import Path

import dagster as dg

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import parts  # noqa: E402 - beside this file, not installed

NEEDS_A_PERSON = {65, 78}
"""Input that cannot be read, wrong settings: a retry would fail in the same way."""
MINUTES = 60
# Meltano refuses a run for five minutes after one was killed, so the first retry comes later.
RETRIES = dg.RetryPolicy(max_retries=5, delay=6 * MINUTES)
DAYS = dg.DailyPartitionsDefinition(start_date="2026-11-01")
PARTITIONS = dg.MultiPartitionsDefinition(
    {"day": DAYS, "group": dg.StaticPartitionsDefinition(list(parts.GROUPS))}
)


def run(extractor: str, loader: str = "target-mixpanel") -> dict:
    """Run a pipeline; raise the failure that makes Dagster retry it, or not.

    Returns:
        The summary of each plugin by its name: counts, lag, files waiting.
    """
    command = [sys.executable, str(HERE / "meltano_run.py"), "--summary", extractor, loader]
    project = os.environ.get("MELTANO_PROJECT", "/srv/my-project")
    done = subprocess.run(command, cwd=project, stdout=subprocess.PIPE, text=True, check=False)
    code = done.returncode
    ended = json.loads(done.stdout or "{}")
    summaries = ended.get("summaries", {})
    if code:
        raise dg.Failure(
            f"{extractor} {loader}: exit code {code}: {ended.get('cause')}",
            metadata=summaries,
            allow_retries=code not in NEEDS_A_PERSON,
        )
    return summaries


@dg.op(retry_policy=RETRIES)
def load(context: dg.OpExecutionContext) -> None:
    """Send new Currents events to Mixpanel."""
    context.add_output_metadata(run("tap-braze-currents"))


@dg.job
def currents_to_mixpanel() -> None:
    """Send new Currents events to Mixpanel."""
    load()


@dg.op(retry_policy=RETRIES)
def load_part(context: dg.OpExecutionContext) -> None:
    """Read one group of streams of one day again."""
    key = context.partition_key.keys_by_dimension
    part = parts.part(key["day"], key["group"])
    context.add_output_metadata(run(part["name"]))


@dg.job(partitions_def=PARTITIONS)
def currents_backfill() -> None:
    """Read past days again; each partition is an extractor of parts.meltano.yml."""
    load_part()


defs = dg.Definitions(
    jobs=[currents_to_mixpanel, currents_backfill],
    schedules=[
        dg.ScheduleDefinition(job=currents_to_mixpanel, cron_schedule="*/15 * * * *"),
    ],
)
