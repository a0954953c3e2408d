"""Airflow 3: the regular run every 15 minutes, and a backfill as mapped tasks.

Put this file into the DAGs folder, `meltano_run.py` and `parts.py` beside it, and set
MELTANO_PROJECT to the folder of the Meltano project. The worker needs `meltano` on its PATH and the
settings of the plugins in its environment.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

from airflow.sdk import Param, dag, task
from airflow.sdk.exceptions import AirflowException, AirflowFailException

HERE = Path(__file__).parent
PROJECT = os.environ.get("MELTANO_PROJECT", "/srv/my-project")
NEEDS_A_PERSON = {65, 78}
"""Input that cannot be read, wrong settings: a retry would fail in the same way."""
RETRIES = {
    # Meltano refuses a run for five minutes after one was killed, so the first retry comes later.
    "retries": 5,
    "retry_delay": timedelta(minutes=6),
    "execution_timeout": timedelta(hours=6),
}


def run(extractor: str, loader: str = "target-mixpanel") -> dict:
    """Run a pipeline; raise the exception that makes Airflow retry it, or not.

    Returns:
        The summary of each plugin by its name: counts, lag, files waiting. Airflow keeps it as the
        task's XCom.
    """
    command = [sys.executable, str(HERE / "meltano_run.py"), "--summary", extractor, loader]
    done = subprocess.run(command, cwd=PROJECT, stdout=subprocess.PIPE, text=True, check=False)
    code = done.returncode
    ended = json.loads(done.stdout or "{}")
    said = f"{extractor} {loader}: exit code {code}: {ended.get('cause')}"
    if code in NEEDS_A_PERSON:
        raise AirflowFailException(f"{said} (no retry will help)")
    if code:
        raise AirflowException(f"{said} (run again later)")
    return ended["summaries"]


@dag(
    schedule="*/15 * * * *",
    start_date=datetime(2026, 11, 1, tzinfo=timezone.utc),
    catchup=False,
    max_active_runs=1,  # STATE covers what an earlier run missed
    tags=["braze", "mixpanel"],
)
def currents_to_mixpanel() -> None:
    """Send new Currents events to Mixpanel."""

    @task(**RETRIES)
    def load() -> dict:
        return run("tap-braze-currents")

    load()


@dag(
    schedule=None,
    params={
        "first_day": Param("2026-11-01", type="string", format="date"),
        "end_day": Param("2026-11-03", type="string", format="date", title="First day not to read"),
    },
    max_active_runs=1,
    tags=["braze", "mixpanel"],
)
def currents_backfill() -> None:
    """Read past days again, several parts at a time."""

    @task
    def split(params: dict | None = None) -> list[str]:
        """Write the extractors of all parts into the file that meltano.yml includes."""
        sys.path.insert(0, str(HERE))
        import parts  # noqa: PLC0415 - beside this file, not installed

        days = (params or {})["first_day"], (params or {})["end_day"]
        (Path(PROJECT) / "parts.meltano.yml").write_text(parts.meltano_file(*days), "utf-8")
        return [part["name"] for part in parts.parts(*days)]

    # All parts share Mixpanel's limit for the project, so more than a few at a time gain nothing.
    @task(max_active_tis_per_dag=4, map_index_template="{{ extractor }}", **RETRIES)
    def load_part(extractor: str) -> dict:
        return run(extractor)

    load_part.expand(extractor=split())


currents_to_mixpanel()
currents_backfill()
