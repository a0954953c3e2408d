"""The variables of compose.yaml send dead letters to an S3-compatible store."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.target_mixpanel.harness import open_record, opens, record, schema, state
from tools.definitions import ROOT

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


def test_a_rejected_record_is_in_the_store_after_the_run(store, tmp_path):
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=store, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="dead-letters")
    with FakeMixpanel() as mixpanel:
        environment = {
            **os.environ,
            **compose_environment("currents", store),
            "TARGET_MIXPANEL_API_URL": mixpanel.url,
            "TARGET_MIXPANEL_PROJECT_TOKEN": "project-token",
        }
        done = subprocess.run(
            [Path(sys.executable).parent / "target-mixpanel", "--config", "ENV"],
            input=SOURCE,
            capture_output=True,
            cwd=tmp_path,
            env=environment,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        assert mixpanel.count == 30
    (entry,) = client.list_objects_v2(Bucket="dead-letters")["Contents"]
    assert entry["Key"].startswith("mixpanel/target-mixpanel-")
    body = client.get_object(Bucket="dead-letters", Key=entry["Key"])["Body"].read()
    assert body.count(b'"RECORD"') == 1
    assert list(tmp_path.iterdir()) == []
