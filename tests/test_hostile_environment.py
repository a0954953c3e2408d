"""No password of the environment replaces or joins the credentials in the settings."""

from __future__ import annotations

import base64
import os
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.errors import ConnectorError
from tap_braze_currents.bucket.store import Bucket
from tap_mixpanel_cohorts.query.budget import Budget
from tap_mixpanel_cohorts.query.client import QueryClient
from tap_mixpanel_cohorts.query.connection import Project
from target_braze_cohorts.braze.client_choice import make_client
from target_mixpanel.sending.client import MixpanelClient
from target_mixpanel.sending.connection_check import check_account
from target_mixpanel.sending.credentials import choose_credentials
from tests.target_braze_cohorts.harness import by_attribute
from tests.target_braze_cohorts.harness import settings as braze_settings
from tests.target_mixpanel.harness import settings as mixpanel_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMES = {"mixpanel": "Basic", "query": "Basic", "attribute": "Bearer", "partner": ""}
FOREIGN = "not-for-this-host"


class Recorder(BaseHTTPRequestHandler):
    """Notes the headers of each request."""

    def do_POST(self) -> None:
        self.server.seen.append({**self.headers, "path": self.path})  # type: ignore[attr-defined]
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_POST  # noqa: N815 - the name that http.server asks for

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


@pytest.fixture
def recorder() -> Iterator[Any]:
    server: Any = HTTPServer(("127.0.0.1", 0), Recorder)
    server.seen = []
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def send(client: str, url: str, folder: Path) -> None:
    if client == "mixpanel":
        credentials = choose_credentials(mixpanel_settings(None, folder))
        with suppress(ConnectorError):
            check_account(MixpanelClient(url, credentials), time.time)
        return
    if client == "query":
        asking = QueryClient(Project(url, ("user", "secret"), {}), Budget(60), retry_seconds=0)
        with suppress(ConnectorError):
            asking.ask("cohorts/list", {})
        asking.close()
        return
    ways = {"attribute": by_attribute(), "partner": {}}
    config = {
        "delivery": "partner_cohort",
        "partner_name": "mixpanel",
        **braze_settings(None, folder, **{**ways[client], "rest_endpoint": url}),
    }
    config.setdefault("attribute_name", "cohorts")
    config.setdefault("attribute_value", "id")
    braze = make_client(config, (5.0, 5.0))
    with suppress(ConnectorError):
        braze.probe()
    braze.close()


AMBIENT = {
    "AWS_ACCESS_KEY_ID": "FOREIGN-KEY",
    "AWS_SECRET_ACCESS_KEY": "FOREIGN-SECRET",
    "AWS_SESSION_TOKEN": "FOREIGN-TOKEN",
    "AWS_SKIP_SIGNATURE": "true",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
    "AWS_ROLE_ARN": "arn:aws:iam::1:role/foreign",
    "AZURE_STORAGE_ACCOUNT_KEY": "RkVVRA==",
    "AZURE_STORAGE_SAS_KEY": "sv=1&sig=FOREIGN-SAS",
    "AZURE_STORAGE_TOKEN": "FOREIGN-BEARER",
    "AZURE_CLIENT_ID": "FOREIGN-CLIENT",
    "AZURE_CLIENT_SECRET": "FOREIGN-SECRET",
    "AZURE_TENANT_ID": "FOREIGN-TENANT",
    "AZURE_SKIP_SIGNATURE": "true",
    "AZURE_STORAGE_USE_EMULATOR": "true",
    "GOOGLE_APPLICATION_CREDENTIALS": "/nowhere",
    "GOOGLE_SERVICE_ACCOUNT": "/nowhere",
    "GOOGLE_SKIP_SIGNATURE": "true",
}


@pytest.mark.parametrize(
    ("url", "options", "sent"),
    [
        ("s3://bucket/x", {"key": "OURKEY", "secret": "OURSECRET"}, "Credential=OURKEY/"),
        ("s3://bucket/x", {"key": "OURKEY", "secret": "S", "token": "OURTOKEN"}, "OURTOKEN"),
        ("s3://bucket/x", {"anon": True}, ""),
        ("az://box/x", {"account_name": "ours", "account_key": "T1VSUw=="}, "SharedKey ours:"),
        ("az://box/x", {"account_name": "ours", "sas_token": "sv=1&sig=OURSAS"}, "sig=OURSAS"),
        ("az://box/x", {"account_name": "ours", "token": "OURBEARER"}, "Bearer OURBEARER"),
        ("gs://bucket/x", {"token": "OURBEARER"}, "Bearer OURBEARER"),
        ("gs://bucket/x", {"token": "anon"}, ""),
    ],
    ids=str,
)
def test_no_credential_of_the_environment_joins_the_one_that_is_set(
    url, options, sent, recorder, monkeypatch
) -> None:
    for name, value in AMBIENT.items():
        monkeypatch.setenv(name, value)
    address = f"http://127.0.0.1:{recorder.server_port}"
    with suppress(ConnectorError):
        Bucket(url, {**options, "endpoint_url": address}).folders()
    assert recorder.seen
    for headers in recorder.seen:
        said = str(headers)
        assert "FOREIGN" not in said
        assert sent in said
        assert sent or "Authorization" not in headers.keys() | {k.title() for k in headers}
    assert {name: os.environ[name] for name in AMBIENT} == AMBIENT


@pytest.mark.parametrize("entry", ["default", "machine 127.0.0.1"])
@pytest.mark.parametrize("client", ["mixpanel", "query", "attribute", "partner"])
def test_a_netrc_file_is_not_read(client, entry, recorder, monkeypatch, tmp_path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text(f"{entry} login someone password {FOREIGN}\n")
    netrc.chmod(0o600)
    for name in ("NETRC", "netrc"):
        monkeypatch.setenv(name, str(netrc))
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".netrc").write_text(netrc.read_text())
    send(client, f"http://127.0.0.1:{recorder.server_port}", tmp_path)
    foreign = base64.b64encode(f"someone:{FOREIGN}".encode()).decode()
    assert recorder.seen
    assert foreign not in str(recorder.seen)
    for headers in recorder.seen:
        scheme = headers.get("Authorization", "").partition(" ")[0]
        assert scheme == SCHEMES[client]


@pytest.mark.parametrize("client", ["mixpanel", "query", "attribute", "partner"])
def test_a_proxy_of_the_environment_is_used(client, recorder, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{recorder.server_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    send(client, "http://localhost", tmp_path)
    assert [headers["Host"] for headers in recorder.seen] == ["localhost"]
