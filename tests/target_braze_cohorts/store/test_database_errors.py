"""Errors of the membership database: one line without anybody's id, whenever they come."""

from __future__ import annotations

import json
import resource
import subprocess

import pytest
import sqlalchemy as sa

from braze_mixpanel.errors import SettingsError
from target_braze_cohorts.store import staging
from target_braze_cohorts.store.database import open_database
from tests.target_braze_cohorts.harness import ImpatientTarget, full, run, settings
from tests.target_braze_cohorts.test_command import COMMAND

WHO = "anna@example.com"
SMALL_FILE = 1_000_000


def test_an_error_while_reading_is_reported_in_one_line(braze, tmp_path, monkeypatch):
    class SmallChunks(ImpatientTarget):
        chunk_rows = 1

    way = "INSERT INTO no_such_table VALUES (?, ?, ?)"
    monkeypatch.setattr(
        staging.Staging,
        "_write",
        lambda self, _statements, rows: self._connection.exec_driver_sql(way, rows),
    )
    done = run(braze, tmp_path, full({1: [WHO]}), target_class=SmallChunks)
    assert isinstance(done.error, SettingsError)
    assert "membership_db" in str(done.error)
    assert "\n" not in str(done.error)
    assert WHO not in str(done.error)
    assert (done.stdout, braze.requests) == ("", [])


@pytest.mark.slow
def test_a_disk_that_fills_while_reading_shows_nobodys_id(tmp_path):
    (tmp_path / "config.json").write_bytes(json.dumps(settings(None, tmp_path)).encode())
    lines = full({1: [f"{number:06}{WHO}{'x' * 800}" for number in range(60_000)]})
    done = subprocess.run(
        [COMMAND, "--config", tmp_path / "config.json"],
        input=lines,
        capture_output=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (SMALL_FILE, SMALL_FILE)),
    )
    assert done.returncode == 78
    assert b"Traceback" not in done.stderr
    assert WHO.encode() not in done.stderr


def test_what_the_database_says_of_a_statement_hides_its_values(tmp_path):
    with (
        pytest.raises(SettingsError) as caught,
        open_database(f"sqlite:///{tmp_path}/x.db", "one") as connection,
    ):
        connection.execute(sa.text("SELECT * FROM missing WHERE who = :who"), {"who": WHO})
    assert WHO not in str(caught.value)
    assert WHO not in str(caught.value.__cause__)
