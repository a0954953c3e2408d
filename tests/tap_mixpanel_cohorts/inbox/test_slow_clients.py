"""Clients of the running inbox that are slow, idle or never end: others are served meanwhile."""

from __future__ import annotations

import base64
import json
import resource
import select
import socket
import subprocess
import sys
import threading
import time
from contextlib import ExitStack, closing, contextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from tests.fakes.mixpanel_cohort_sync import CohortSync
from tests.tap_mixpanel_cohorts.harness import PASSWORD, USER, environment

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SECONDS = 2
"""In place of the 30 s for the head and for the body of a request."""
START = f"""
from tap_mixpanel_cohorts.inbox import app, connections
app.BODY_SECONDS = connections.HEAD_SECONDS = {SECONDS}
from tap_mixpanel_cohorts.inbox.command import main
main()
"""
BASIC = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
HEAD = f"POST / HTTP/1.1\r\nHost: inbox\r\nAuthorization: Basic {BASIC}\r\n".encode()
WRONG = HEAD.replace(BASIC.encode(), b"d3Jvbmc6d3Jvbmc=")
MOST_WAIT = 5.0
MOST_GROWTH = 96 << 20


class Server:
    """A running inbox."""

    def __init__(self, process: subprocess.Popen[str], url: str) -> None:
        self.url, self.process = url, psutil.Process(process.pid)
        self.before = self.process.memory_info().rss
        self._number = 1000

    def connect(self) -> socket.socket:
        place = urlsplit(self.url)
        return socket.create_connection((place.hostname, place.port), timeout=30)

    def serves_others(self) -> None:
        """Check that health and a push are answered soon, and that memory is bounded."""
        began = time.monotonic()
        assert requests.get(f"{self.url}health", timeout=MOST_WAIT).json() == {"status": "ok"}
        sync = CohortSync(self.url, auth=(USER, PASSWORD))
        self._number += 1
        sync.cohort(self._number, "VIP").people = {"u1": {}, "u2": {}}
        assert sync.run(self._number)
        assert time.monotonic() - began < MOST_WAIT
        assert self.process.memory_info().rss - self.before < MOST_GROWTH


@pytest.fixture
def server(tmp_path) -> Iterator[Server]:
    options = ("--inbox-db", f"sqlite:///{tmp_path}/inbox.db", "--port", "0", "--username", USER)
    with subprocess.Popen(
        [sys.executable, "-c", START, *options],
        stderr=subprocess.PIPE,
        text=True,
        env=environment(MIXPANEL_COHORT_INBOX_PASSWORD=PASSWORD),
    ) as process:
        assert process.stderr
        line = next(text for text in process.stderr if '"listening"' in text)
        drain = threading.Thread(target=process.stderr.read, daemon=True)
        drain.start()
        try:
            yield Server(process, json.loads(line)["url"])
        finally:
            process.kill()
            drain.join()


@contextmanager
def dripping(connections: list[socket.socket], byte: bytes) -> Iterator[None]:
    """Send one byte now and then on each connection."""
    ended = threading.Event()

    def drip() -> None:
        while not ended.wait(0.3):
            for connection in connections:
                with suppress(OSError):
                    connection.sendall(byte)

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def is_closed(connection: socket.socket) -> bool:
    """Return whether the server has closed a connection, after it read what was answered."""
    poll = select.poll()  # unlike select, for any number of files
    poll.register(connection, select.POLLIN)
    with suppress(ConnectionError):
        while poll.poll(0):
            if not connection.recv(65536):
                return True
        return False
    return True


def wait_until(is_so: Callable[[], bool], seconds: float = SECONDS + 10) -> None:
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.1)


@pytest.mark.parametrize(
    ("start", "byte"),
    [
        pytest.param(b"", b"P", id="first line", marks=pytest.mark.slow),
        pytest.param(HEAD + b"X: ", b"y", id="header"),
        pytest.param(WRONG, b"X", id="header, no password", marks=pytest.mark.slow),
        pytest.param(HEAD + b"Content-Length: 1000000\r\n\r\n", b" ", id="body"),
        pytest.param(
            WRONG + b"Content-Length: 1000000\r\n\r\n",
            b" ",
            id="body, no password",
            marks=pytest.mark.slow,
        ),
        pytest.param(
            HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1", id="chunk", marks=pytest.mark.slow
        ),
        pytest.param(
            b"GET /health HTTP/1.1\r\nHost: inbox\r\n\r\nGET /health HTTP/1.1\r\n",
            b"X",
            id="second",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_a_hundred_slow_clients_keep_nobody_out_and_are_closed(server, start, byte) -> None:
    with ExitStack() as stack:
        slow = [stack.enter_context(closing(server.connect())) for _ in range(100)]
        for connection in slow:
            connection.sendall(start)
        with dripping(slow, byte):
            server.serves_others()
            # The body of a refused request gets its own time; so each may take both times.
            wait_until(lambda: all(map(is_closed, slow)), 2 * SECONDS + 10)
        server.serves_others()


@pytest.mark.parametrize("head", [HEAD, WRONG], ids=["password", "no password"])
def test_an_endless_chunked_body_is_refused_and_closed(server, head) -> None:
    piece = b"100000\r\n" + b" " * (1 << 20) + b"\r\n"
    ended = []

    def flood() -> None:
        with closing(server.connect()) as connection, suppress(OSError):
            connection.sendall(head + b"Transfer-Encoding: chunked\r\n\r\n")
            while True:
                connection.sendall(piece)
        ended.append(True)

    floods = [threading.Thread(target=flood, daemon=True) for _ in range(4)]
    for one in floods:
        one.start()
    server.serves_others()
    wait_until(lambda: len(ended) == len(floods), 2 * SECONDS + 20)
    server.serves_others()


def test_more_idle_connections_than_the_inbox_keeps_leave_room_for_others(server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard), hard))
    try:
        with ExitStack() as stack:
            idle = [stack.enter_context(closing(server.connect())) for _ in range(1200)]
            server.serves_others()
            wait_until(lambda: sum(map(is_closed, idle)) >= len(idle) - 500)
            wait_until(lambda: all(map(is_closed, idle)))
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    server.serves_others()
