"""The variables of compose.yaml send dead letters to an S3-compatible store."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.end_to_end.project import BIN, Project
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import open_record, opens, record, schema, state
from tools.definitions import ROOT

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("moto")]

SOURCE = schema() + opens(30) + record(open_record(99, time=None)) + state(1)


@pytest.fixture
def store():
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def compose_environment(service: str, store: str) -> dict[str, str]:
    """The variables of a service, with passwords and the address of the store filled in."""
    services = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))["services"]
    return {
        name: re.sub(r"\$\{\w+:\?[^}]*\}", "made-up-password", value).replace(
            "http://objects:9000", store
        )
        for name, value in services[service]["environment"].items()
    }


def objects_in(store: str) -> dict[str, bytes]:
    client = client_of(store)
    listed = client.list_objects_v2(Bucket="dead-letters").get("Contents", [])
    return {
        entry["Key"]: client.get_object(Bucket="dead-letters", Key=entry["Key"])["Body"].read()
        for entry in listed
    }


def client_of(store: str) -> Any:
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    return boto3.client("s3", endpoint_url=store, region_name="us-east-1", **keys)


def commands(folder: Path) -> list[tuple[list[str], Path]]:
    """The target by itself, and as Meltano calls it in a project."""
    project = Project.make(folder / "project", None).folder
    return [
        ([str(BIN / "target-mixpanel"), "--config", "ENV"], folder),
        ([str(BIN / "meltano"), "--environment", "prod", "invoke", "target-mixpanel"], project),
    ]


def test_a_rejected_record_is_in_the_store_after_the_run(store, tmp_path):
    client_of(store).create_bucket(Bucket="dead-letters")
    with FakeMixpanel() as mixpanel:
        environment = {
            **os.environ,
            **compose_environment("currents", store),
            "TARGET_MIXPANEL_API_URL": mixpanel.url,
            "TARGET_MIXPANEL_PROJECT_TOKEN": "project-token",
            "TARGET_MIXPANEL_DRY_RUN": "false",
        }
        del environment["MELTANO_DATABASE_URI"]
        for number, (command, folder) in enumerate(commands(tmp_path), 1):
            done = subprocess.run(
                command, input=SOURCE, capture_output=True, cwd=folder, env=environment, check=False
            )
            assert done.returncode == 0, done.stderr
            assert b"made-up-password" not in done.stderr
            assert len(objects_in(store)) == number
        assert mixpanel.count == 30
    for key, content in objects_in(store).items():
        assert key.startswith("mixpanel/target-mixpanel-")
        assert content.count(b'"RECORD"') == 1
    assert not list(tmp_path.rglob("dead_letter*"))
    assert not list(tmp_path.rglob("s3:"))
