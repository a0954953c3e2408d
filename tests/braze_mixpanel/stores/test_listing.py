"""An answer to a listing without end costs a bounded amount of memory, and one clear line."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from braze_mixpanel.errors import SettingsError
from braze_mixpanel.stores import listing
from braze_mixpanel.stores.folder import StoreFolder
from braze_mixpanel.stores.listing import held_bytes, within_memory
from braze_mixpanel.stores.use import Use
from tap_braze_currents.bucket import object_store
from tap_braze_currents.bucket.store import Bucket
from tests.fakes.misbehaving_server import HEAD, WRONG, misbehaving

LIMIT = 96 << 20
ENDLESS = ["a body without end", "chunks without end"]
EMPTY = (
    b"<ListBucketResult><KeyCount>0</KeyCount><IsTruncated>false</IsTruncated></ListBucketResult>"
)


def options(url):
    keys = {"key": "AKIAEXAMPLE", "secret": "topsecret", "region_name": "us-east-1"}
    return {**keys, "endpoint_url": url}


def pages(url):
    return list(Bucket("s3://company/prod", options(url)).scan("i", "t", ""))


def names(url):
    use = Use("report_path", "path_options", writes=True)
    return StoreFolder("s3://company/reports", options(url), use).names()


@pytest.mark.parametrize("ask", [pages, names])
@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_ends_with_one_line(monkeypatch, answer, ask) -> None:
    monkeypatch.setattr(listing, "PAGE_MEMORY_BYTES", LIMIT)
    before = held_bytes()
    most = [before]
    ended = threading.Event()

    def look() -> None:
        while not ended.wait(0.05):
            most.append(held_bytes())

    watch = threading.Thread(target=look)
    watch.start()
    try:
        with misbehaving(WRONG[answer]) as url, pytest.raises(SettingsError) as caught:
            ask(url)
    finally:
        ended.set()
        watch.join()
    assert "takes more than 96 MiB" in str(caught.value)
    assert "endpoint_url" in str(caught.value)
    assert "\n" not in str(caught.value)
    # Without a bound it is gigabytes: the answer goes on until the client's time is over.
    assert max(most) - before < 16 * LIMIT


@pytest.mark.parametrize("answer", ENDLESS)
def test_an_endless_answer_for_a_whole_folder_ends_too(monkeypatch, answer) -> None:
    monkeypatch.setattr(object_store, "within_memory", lambda: within_memory(LIMIT))
    with misbehaving(WRONG[answer]) as url, pytest.raises(SettingsError, match="more than 96 MiB"):
        Bucket("s3://company/prod", options(url)).folders()


def test_a_listing_is_not_hurt_where_something_else_grows(monkeypatch) -> None:
    monkeypatch.setattr(listing, "PAGE_MEMORY_BYTES", 1 << 20)
    held: list[bytes] = []

    def late(connection) -> None:
        held.append(b"x" * (16 << 20))
        time.sleep(0.5)
        length = b"Content-Length: %d\r\n\r\n" % len(EMPTY)
        connection.sendall(HEAD + b"Content-Type: application/xml\r\n" + length + EMPTY)

    with misbehaving(late) as url:
        assert pages(url) == []
    assert held


def test_a_connection_that_brought_much_before_is_not_cut(monkeypatch) -> None:
    """A store's connection serves many requests, large files among them."""
    monkeypatch.setattr(listing, "PAGE_MEMORY_BYTES", 1 << 20)
    monkeypatch.setattr(listing, "MUCH_BYTES", 1 << 20)
    held: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as server:
        ours = socket.create_connection(server.getsockname())
        theirs, _ = server.accept()
        with ours, theirs:
            sending = threading.Thread(target=theirs.sendall, args=(b"x" * (4 << 20),))
            sending.start()
            left = 4 << 20
            while left:
                left -= len(ours.recv(left))
            sending.join()
            with within_memory(1 << 20):
                time.sleep(0.25)
                held.append(b"x" * (16 << 20))
                time.sleep(0.25)
            theirs.sendall(b"still open")
            assert ours.recv(10) == b"still open"
    assert held
