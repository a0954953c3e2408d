"""No password of the environment replaces or joins the credentials in the settings."""

from __future__ import annotations

import base64
import threading
import time
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from braze_mixpanel.errors import ConnectorError
from target_braze_cohorts.braze.client import make_client
from target_mixpanel.sending.client import MixpanelClient, choose_credentials
from target_mixpanel.sending.connection_check import check_account
from tests.target_braze_cohorts.harness import by_attribute
from tests.target_braze_cohorts.harness import settings as braze_settings
from tests.target_mixpanel.harness import settings as mixpanel_settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FOREIGN = "not-for-this-host"


class Recorder(BaseHTTPRequestHandler):
    """Notes the headers of each request."""

    def do_POST(self) -> None:
        self.server.seen.append(dict(self.headers))  # type: ignore[attr-defined]
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


@pytest.mark.parametrize("entry", ["default", "machine 127.0.0.1"])
@pytest.mark.parametrize("client", ["mixpanel", "attribute", "partner"])
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
        assert scheme == {"mixpanel": "Basic", "attribute": "Bearer", "partner": ""}[client]


@pytest.mark.parametrize("client", ["mixpanel", "attribute", "partner"])
def test_a_proxy_of_the_environment_is_used(client, recorder, monkeypatch, tmp_path) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{recorder.server_port}")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    send(client, "http://localhost", tmp_path)
    assert [headers["Host"] for headers in recorder.seen] == ["localhost"]
