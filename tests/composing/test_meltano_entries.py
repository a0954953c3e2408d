"""The entries for meltano.yml in docs/composing.md, run in a project as they stand there."""

from __future__ import annotations

import json

import pytest
import yaml
from sqlalchemy import create_engine, text

from tests.composing.test_with_public_plugins import TABLES
from tests.docs.blocks import block
from tests.end_to_end.project import Project
from tests.fakes.fake_braze import API_KEY, FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("public plugins")]

DOCUMENT = "docs/composing.md"


class NoServer:
    """For pipelines that send nothing to Mixpanel."""

    url = "http://127.0.0.1:9"


def project_with(entries: str, folder, server=NoServer) -> Project:
    """A project with our plugins and the entries of the document."""
    project = Project.make(folder, server)
    path = project.folder / "meltano.yml"
    config = yaml.safe_load(path.read_text("utf-8"))
    config["environments"] = [{"name": "dev"}]
    for kind, plugins in yaml.safe_load(entries)["plugins"].items():
        config["plugins"][kind] += plugins
    path.write_text(yaml.safe_dump(config, sort_keys=False), "utf-8")
    return project


def run_as_documented(project: Project, *, naming: str, **settings: str) -> str:
    """Run the one documented `meltano run` that names a plugin."""
    command = block(DOCUMENT, "sh", naming).split()
    assert command[:2] == ["meltano", "run"]
    result = project.meltano(*command[1:], **settings)
    assert result.returncode == 0, result.stderr[-4000:]
    return result.stderr


def from_sample(entries: str) -> str:
    return entries.replace("s3://bucket/prefix", str(ROOT / "sample_bucket"))


def test_currents_into_json_lines_by_meltano(tmp_path):
    entries = from_sample(block(DOCUMENT, "yaml", "target-jsonl"))
    project = project_with(entries, tmp_path / "project")
    (project.folder / "out").mkdir()
    run_as_documented(project, naming="target-jsonl\n", TAP_BRAZE_CURRENTS_SETTLE_SECONDS="0")
    (file,) = (project.folder / "out").glob("*.jsonl")
    records = [json.loads(line) for line in file.read_text("utf-8").splitlines()]
    assert file.stem == "users_messages_email_open"
    assert records
    assert not any("@" in json.dumps(record) for record in records)


def test_currents_into_duckdb_by_meltano(tmp_path):
    entries = from_sample(block(DOCUMENT, "yaml", "target-duckdb"))
    project = project_with(entries, tmp_path / "project")
    naming = "tap-braze-currents--warehouse target-duckdb"
    run_as_documented(project, naming=naming, TAP_BRAZE_CURRENTS_SETTLE_SECONDS="0")
    assert (project.folder / "events.duckdb").stat().st_size > 0


def test_orders_into_mixpanel_by_meltano(tmp_path):
    order = {"order": "o-1", "customer": "u1", "at": "2026-11-01T10:00:00Z", "total": 12.5}
    with FakeMixpanel() as mixpanel:
        entries = block(DOCUMENT, "yaml", "tap-jsonl")
        project = project_with(entries, tmp_path / "project", mixpanel)
        (project.folder / "orders.jsonl").write_text(json.dumps(order) + "\n")
        run_as_documented(project, naming="target-mixpanel--orders")
        (event,) = mixpanel.events()
    assert event["event"] == "Order Placed"
    assert event["properties"]["total"] == 12.5
    assert set(event["properties"]) == {"time", "distinct_id", "$insert_id", "ip", "total"}


def test_a_warehouse_table_into_braze_by_meltano(postgresql, tmp_path):
    url, port = postgresql
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(TABLES))
    engine.dispose()
    with FakeBraze() as braze:
        project = project_with(block(DOCUMENT, "yaml", "tap-postgres"), tmp_path / "project")
        run_as_documented(
            project,
            naming="tap-postgres target",
            TAP_POSTGRES_SQLALCHEMY_URL=f"postgresql://postgres:unused@127.0.0.1:{port}/postgres",
            TARGET_BRAZE_COHORTS_REST_ENDPOINT=braze.url,
            TARGET_BRAZE_COHORTS_API_KEY=API_KEY,
        )
        assert braze.members("Champions") == {"u1", "u2", "u3", "u4"}
        assert braze.members("At risk") == {"u2"}
