"""Meltano's STATE in an S3-compatible bucket, as docs/operations.md says."""

from __future__ import annotations

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.end_to_end.project import Project
from tests.fakes.fake_mixpanel import FakeMixpanel
from tools.definitions import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("moto")]


@pytest.fixture
def store():
    server = ThreadedMotoServer("127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


def test_a_run_on_a_new_disk_reads_its_state_from_the_bucket(store, tmp_path):
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret"}
    client = boto3.client("s3", endpoint_url=store, region_name="us-east-1", **keys)
    client.create_bucket(Bucket="state")
    settings = {
        "MELTANO_STATE_BACKEND_URI": "s3://state/braze-mixpanel",
        "MELTANO_STATE_BACKEND_S3_AWS_ACCESS_KEY_ID": "key",
        "MELTANO_STATE_BACKEND_S3_AWS_SECRET_ACCESS_KEY": "secret",
        "MELTANO_STATE_BACKEND_S3_ENDPOINT_URL": store,
    }
    delivered = []
    with FakeMixpanel() as mixpanel:
        for disk in ("first", "second"):
            project = Project.make(tmp_path / disk, mixpanel)
            (project.folder / "sample_bucket").symlink_to(ROOT / "sample_bucket")
            result = project.meltano("run", "tap-braze-currents", "target-mixpanel", **settings)
            assert result.returncode == 0, result.stderr[-3000:]
            delivered.append(mixpanel.accepted)
    assert delivered[0] == delivered[1] > 1000
    objects = client.list_objects_v2(Bucket="state")["Contents"]
    assert any("tap-braze-currents-to-target-mixpanel" in item["Key"] for item in objects)
