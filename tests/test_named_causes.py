"""What is wrong between a plugin and its service is named, the same by every plugin."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
import trustme

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError
from tap_braze_currents.bucket.store import Bucket
from tap_mixpanel_cohorts.query.budget import Budget
from tap_mixpanel_cohorts.query.client import QueryClient
from tap_mixpanel_cohorts.query.connection import Project
from target_braze_cohorts.braze.client_choice import make_client
from target_braze_cohorts.braze.connection_check import check_account as check_braze
from target_mixpanel.sending.client import MixpanelClient
from target_mixpanel.sending.connection_check import check_account as check_mixpanel
from target_mixpanel.sending.credentials import choose_credentials
from tests.target_braze_cohorts.harness import by_attribute
from tests.target_braze_cohorts.harness import settings as braze_settings
from tests.target_mixpanel.harness import settings as mixpanel_settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

SECONDS = (2.0, 2.0)


def ask_mixpanel(url: str, folder: Path) -> None:
    credentials = choose_credentials(mixpanel_settings(None, folder))
    check_mixpanel(MixpanelClient(url, credentials, timeouts=SECONDS), time.time)


def ask_braze(url: str, folder: Path) -> None:
    ways = {**by_attribute(), "rest_endpoint": url, "delivery": "attribute"}
    config = {"attribute_name": "cohorts", **braze_settings(None, folder, **ways)}
    with closing(make_client(config, SECONDS)) as client:
        check_braze(client)


def ask_query_api(url: str, folder: Path) -> None:
    del folder
    client = QueryClient(Project(url, ("user", "secret"), {}), Budget(60), retry_seconds=0)
    with closing(client):
        client.ask("cohorts/list", {})


def ask_bucket(url: str, folder: Path) -> None:
    del folder
    options = {"key": "user", "secret": "secret", "endpoint_url": url, "region_name": "us-east-1"}
    Bucket("s3://bucket/prefix", options).folders()


ASKING: dict[str, Callable[[str, Any], None]] = {
    "target-mixpanel": ask_mixpanel,
    "target-braze-cohorts": ask_braze,
    "tap-mixpanel-cohorts": ask_query_api,
    "tap-braze-currents": ask_bucket,
}
HTTP_CLIENTS = [name for name in ASKING if name != "tap-braze-currents"]


class AskingForLogin(BaseHTTPRequestHandler):
    """A proxy that lets nobody through without a login."""

    protocol_version = "HTTP/1.1"

    def do_CONNECT(self) -> None:
        self.send_response(407)
        self.send_header("Proxy-Authenticate", "Basic")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_POST = do_CONNECT  # noqa: N815 - the names that http.server asks for

    def log_message(self, *_: Any) -> None:
        """Log nothing."""


class Redirecting(AskingForLogin):
    """Answers with a redirect, as a login page in the way does."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(302)
        self.send_header("Location", "https://login.example")
        self.send_header("Content-Length", "0")
        self.end_headers()


class CutShort(AskingForLogin):
    """Ends the connection in the middle of an answer that has no length."""

    protocol_version = "HTTP/1.0"
    count = 0

    def do_POST(self) -> None:
        type(self).count += 1
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"num_records_imp')


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    servers = []

    def start(handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None = None) -> str:
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        if tls:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        servers.append((server, thread))
        return f"{'https' if tls else 'http'}://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in servers:
        server.shutdown()
        thread.join()
        server.server_close()


def failure(plugin: str, url: str, folder: Path) -> ConnectorError:
    with pytest.raises(ConnectorError) as caught:
        ASKING[plugin](url, folder)
    return caught.value


@pytest.mark.parametrize("plugin", ASKING)
def test_a_proxy_that_asks_for_a_login_is_blamed(plugin, serve, monkeypatch, tmp_path) -> None:
    proxy = serve(AskingForLogin)
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy)
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    error = failure(plugin, "https://service.example", tmp_path)
    assert isinstance(error, SettingsError)
    assert "proxy" in str(error)
    assert "HTTPS_PROXY" in str(error)
    assert "token" not in str(error)


@pytest.mark.parametrize("plugin", ASKING)
def test_an_unknown_host_names_network_proxy_and_address(plugin, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(socket, "getaddrinfo", _nobody_knows)
    error = failure(plugin, "https://service.invalid", tmp_path)
    assert isinstance(error, TemporaryError)
    for word in ("network", "HTTPS_PROXY", "endpoint" if "api" not in str(error) else "api_url"):
        assert word in str(error)


def _nobody_knows(*_: object, **__: object) -> None:
    raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")


@pytest.mark.parametrize("plugin", ASKING)
def test_a_certificate_that_nobody_trusts_is_a_matter_of_settings(plugin, serve, tmp_path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    error = failure(plugin, serve(Redirecting, context), tmp_path)
    assert isinstance(error, SettingsError)
    assert "trusted" in str(error)


@pytest.mark.parametrize("plugin", HTTP_CLIENTS)
def test_a_redirect_is_not_followed_and_names_the_address(plugin, serve, tmp_path) -> None:
    error = failure(plugin, serve(Redirecting), tmp_path)
    assert isinstance(error, SettingsError)
    assert "redirects" in str(error)


@pytest.mark.parametrize("plugin", ["target-mixpanel", "target-braze-cohorts"])
def test_a_success_that_was_cut_short_is_tried_again(plugin, serve, tmp_path) -> None:
    CutShort.count = 0
    error = failure(plugin, serve(CutShort), tmp_path)
    assert isinstance(error, TemporaryError)
    assert "cut short" in str(error)
    assert CutShort.count > 1
