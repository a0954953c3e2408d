"""S3 as an emulator on loopback, started here."""

from __future__ import annotations

import logging
import socket
from contextlib import closing
from datetime import datetime, timedelta, timezone
from time import perf_counter
from urllib.parse import quote

import pytest
import requests
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from moto.server import ThreadedMotoServer

from braze_mixpanel.errors import ConnectorError, SettingsError, TemporaryError
from tests.currents_generator import file_key, generate
from tests.tap_braze_currents.conftest import catalog_of, make_tap, tap_of
from tests.tap_braze_currents.cutting_proxy import proxy_before
from tests.tap_braze_currents.formats.test_decoding import avro_file, schema_of

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("object stores")]

OPEN = "users.messages.email.Open"
TYPES = [OPEN, "users.behaviors.Purchase"]
TAP = tap_of(*TYPES)
STREAMS = ["users_messages_email_open", "users_behaviors_purchase"]


def put(url, path, content):
    requests.put(f"{url}/{quote(path)}", data=content, timeout=10).raise_for_status()


def upload(url, folder, target):
    for path in sorted(folder.rglob("*.avro")):
        put(url, f"{target}/{path.relative_to(folder).as_posix()}", path.read_bytes())


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    generate(folder, events=60, types=TYPES, hours=3)
    return folder


@pytest.fixture(scope="module")
def s3_server():
    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3(s3_server, monkeypatch):
    """Options of a store on an empty emulated S3, and its URL."""
    requests.post(f"{s3_server}/moto-api/reset", timeout=10)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    options = {"endpoint_url": s3_server, "key": "k" * 20, "secret": "s" * 40}
    put(s3_server, "company", b"")
    return options, s3_server


@pytest.fixture
def s3_proxy(s3):
    """The same S3 through a proxy."""
    with proxy_before(s3[0]["endpoint_url"]) as proxy:
        yield proxy


def test_s3_is_listed_and_read(s3, files, run_tap):
    options, url = s3
    upload(url, files, "company/prod")

    first = run_tap("s3://company/prod", tap_class=TAP, storage_options=options)
    second = run_tap("s3://company/prod", tap_class=TAP, storage_options=options, state=first.state)

    assert len(first.of("RECORD")) == 60
    assert second.of("RECORD") == []


def test_s3_mistakes_are_told_in_one_line(s3, files):
    options, url = s3
    upload(url, files, "company/prod")

    def error_of(url, **changed):
        with pytest.raises(ConnectorError) as caught:
            make_tap(url, tap_class=TAP, storage_options={**options, **changed}).sync_all()
        assert "\n" not in str(caught.value)
        return caught.value

    missing = error_of("s3://nobodys-bucket/prod")
    assert isinstance(missing, SettingsError)
    assert "does not exist" in str(missing)
    assert "too high: set it to s3://company/prod" in str(error_of("s3://company"))
    with closing(socket.socket()) as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        gone = error_of(
            "s3://company/prod",
            endpoint_url=url,
            config_kwargs={"retries": {"max_attempts": 0}, "connect_timeout": 1},
        )
    assert isinstance(gone, TemporaryError)


def test_a_warm_run_over_twenty_thousand_objects_lists_little(s3, s3_proxy, run_tap, capfdbinary):
    options, _ = s3
    newest = datetime(2026, 11, 1, tzinfo=timezone.utc)
    content = avro_file(schema_of(id="string", time="int"), [{"id": "1", "time": 1}])
    # Straight into the emulator: twenty thousand requests would take minutes.
    backend = s3_backends[DEFAULT_ACCOUNT_ID]["aws"]
    for number in range(10_000):
        for event_type in TYPES:
            key = file_key(event_type, newest - timedelta(hours=number), offset=number)
            backend.put_object("company", f"prod/{key}", content)
    settings = {"tap_class": TAP, "storage_options": {**options, "endpoint_url": s3_proxy.url}}
    warm = run_tap("s3://company/prod", start_date="2026-10-29T12:00:00", **settings)
    assert len(warm.of("RECORD")) == 2 * 61

    tap = make_tap("s3://company/prod", state=warm.state, catalog=catalog_of(*STREAMS), **settings)
    s3_proxy.requests.clear()
    begin = perf_counter()
    tap.sync_all()
    seconds = perf_counter() - begin

    assert b'"RECORD"' not in capfdbinary.readouterr().out
    listings = sum("list-type=2" in request for request in s3_proxy.requests)
    logging.getLogger(__name__).warning("%d list calls, %.2f s", listings, seconds)
    # The prefix, the integration, and one for each of the two streams.
    assert listings == len(s3_proxy.requests) == 4


def test_a_connection_cut_in_the_middle_of_an_object_is_tried_again(s3, s3_proxy, files, run_tap):
    options, url = s3
    upload(url, files, "company/prod")
    s3_proxy.cuts = 3

    output = run_tap(
        "s3://company/prod",
        tap_class=TAP,
        storage_options={**options, "endpoint_url": s3_proxy.url},
    )

    assert s3_proxy.cuts == 0
    assert len(output.of("RECORD")) == 60
