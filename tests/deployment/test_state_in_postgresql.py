"""Meltano's STATE and the known membership in one PostgreSQL database, as the docs say."""

from __future__ import annotations

import json
import subprocess

import pytest
from sqlalchemy import create_engine, inspect

from tests.composing.conftest import postgresql  # noqa: F401 - a fixture
from tests.end_to_end.project import BIN, Project
from tests.fakes.fake_braze import API_KEY, FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("postgresql")]

MEMBERS = [
    {"type": "SCHEMA", "stream": "cohorts", "schema": {"properties": {}}, "key_properties": []},
    {"type": "RECORD", "stream": "cohorts", "record": {"id": 1, "name": "A", "count": 1}},
    {
        "type": "SCHEMA",
        "stream": "cohort_members",
        "schema": {"properties": {}},
        "key_properties": [],
    },
    {
        "type": "RECORD",
        "stream": "cohort_members",
        "record": {"cohort_id": 1, "distinct_id": "u1"},
    },
]


def run_in(folder, server, **settings):
    """Run the pipeline in a project whose disk is new, as in a container."""
    project = Project.make(folder, server)
    (project.folder / "sample_bucket").symlink_to(ROOT / "sample_bucket")
    result = project.meltano("run", "tap-braze-currents", "target-mixpanel", **settings)
    assert result.returncode == 0, result.stderr[-3000:]
    return project


def shell(script, project, settings):
    return subprocess.run(
        ["sh", "-c", script],
        cwd=project.folder,
        env=project.environment(**settings),
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def test_a_run_on_a_new_disk_goes_on_where_the_last_one_ended(request, tmp_path):
    url, port = request.getfixturevalue("postgresql")
    database = f"postgresql+psycopg://postgres:unused@127.0.0.1:{port}/postgres"
    state = {"MELTANO_DATABASE_URI": database}
    with FakeMixpanel() as mixpanel:
        run_in(tmp_path / "first", mixpanel, **state)
        delivered = mixpanel.accepted
        assert delivered > 1000
        second = run_in(tmp_path / "second", mixpanel, **state)
        assert mixpanel.accepted == delivered
        listed = second.meltano("--environment", "dev", "state", "list", **state).stdout
    assert listed.split() == ["dev:tap-braze-currents-to-target-mixpanel"]
    assert not (second.folder / ".meltano" / "meltano.db").exists()

    # The membership tables live beside Meltano's own.
    with FakeBraze() as braze:
        project = Project.make(tmp_path / "cohorts", mixpanel)
        (project.folder / "in.jsonl").write_text("".join(f"{json.dumps(m)}\n" for m in MEMBERS))
        settings = {
            **state,
            "TARGET_BRAZE_COHORTS_DRY_RUN": "false",
            "TARGET_BRAZE_COHORTS_MEMBERSHIP_DB": database,
            "TARGET_BRAZE_COHORTS_REST_ENDPOINT": braze.url,
            "TARGET_BRAZE_COHORTS_DELIVERY": "attribute",
            "TARGET_BRAZE_COHORTS_API_KEY": API_KEY,
        }
        script = f"{BIN}/meltano invoke target-braze-cohorts < in.jsonl"
        result = shell(script, project, settings)
        assert result.returncode == 0, result.stderr[-3000:]
        assert braze.members("A") == {"u1"}
    engine = create_engine(url)
    tables = set(inspect(engine).get_table_names())
    engine.dispose()
    assert {"runs", "state"} <= tables
    assert len(tables) > 4
