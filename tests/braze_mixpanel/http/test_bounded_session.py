"""Servers that misbehave: every request ends, soon and with little memory."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import requests

from braze_mixpanel.http.bounded_session import (
    AnswerTooLargeError,
    AnswerTooSlowError,
    BoundedSession,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEAD = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"


@contextmanager
def server(answer: Callable[[socket.socket], object]) -> Iterator[str]:
    """Answer one request in any way, also a wrong one."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        thread.join(10)


def drip(connection: socket.socket, start: bytes) -> None:
    connection.sendall(start)
    while True:
        connection.sendall(b"a")
        time.sleep(0.05)


def session(**bounds) -> BoundedSession:
    return BoundedSession((2, 2), {"Authorization": b"Bearer key"}, **bounds)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", HEAD + b"\r\n"])
def test_a_byte_now_and_then_in_header_or_body_ends_at_the_deadline(start) -> None:
    with server(lambda connection: drip(connection, start)) as url:
        began = time.monotonic()
        with pytest.raises(AnswerTooSlowError):
            session(most_seconds=0.5).post(url, b"")
        assert time.monotonic() - began < 2


def test_an_answer_without_end_is_cut_off() -> None:
    def endless(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"\r\n")
        while True:
            connection.sendall(b"x" * 65536)

    with server(endless) as url, pytest.raises(AnswerTooLargeError):
        session(most_bytes=1 << 20).post(url, b"")


def test_a_gzip_bomb_is_unpacked_up_to_the_limit() -> None:
    bomb = gzip.compress(b" " * (64 << 20))
    head = HEAD + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(bomb)
    with (
        server(lambda connection: connection.sendall(head + bomb)) as url,
        pytest.raises(AnswerTooLargeError),
    ):
        session(most_bytes=1 << 20).post(url, b"")


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"SSH-2.0\r\n\r\n",
        HEAD + b"Content-Length: 100\r\n\r\nshort",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        HEAD + b"Content-Encoding: gzip\r\n\r\nno gzip",
    ],
)
def test_an_answer_that_is_broken_is_a_failed_request(answer) -> None:
    with (
        server(lambda connection: connection.sendall(answer)) as url,
        pytest.raises(requests.RequestException),
    ):
        session().post(url, b"")


@pytest.mark.parametrize("packed", [False, True])
def test_an_ordinary_answer_is_read_whole(packed) -> None:
    body = b'{"a": 1}' * 1000
    sent = gzip.compress(body) if packed else body
    head = HEAD + b"Content-Encoding: gzip\r\n" * packed
    head += b"Content-Length: %d\r\n\r\n" % len(sent)
    with server(lambda connection: connection.sendall(head + sent)) as url:
        answer = session().post(url, b"")
    assert (answer.status, answer.content) == (200, body)


def test_another_thread_can_end_a_request() -> None:
    with server(lambda connection: drip(connection, HEAD)) as url:
        one = session(most_seconds=60)
        threading.Timer(0.3, one.abort).start()
        with pytest.raises(AnswerTooSlowError):
            one.post(url, b"")


def test_neither_netrc_nor_the_url_replaces_the_key(tmp_path, monkeypatch) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login other password other")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    seen = []

    def note(connection: socket.socket) -> None:
        connection.sendall(HEAD + b"Content-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                seen.append(connection.recv(65536))
                note(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        port = listener.getsockname()[1]
        session().post(f"http://u:p@127.0.0.1:{port}", b"")
        thread.join()
    assert b"Authorization: Bearer key" in seen[0]


def test_a_cookie_is_not_kept() -> None:
    received: list[bytes] = []

    def answer(connection: socket.socket) -> None:
        said = b"HTTP/1.1 200 OK\r\nSet-Cookie: a=b; Path=/\r\nContent-Length: 0\r\n\r\n"
        connection.sendall(said)
        received.append(connection.recv(65536))
        connection.sendall(said)

    with server(answer) as url:
        kept = session()
        kept.post(url, b"")
        kept.post(url, b"")
    assert received
    assert b"cookie" not in received[0].lower()
