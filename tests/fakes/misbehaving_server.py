"""A loopback server that answers every request in one wrong way."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Answer = Callable[[socket.socket], object]

ESCAPE: Final = "\x1b]0;title\x07\x1b[31mred\u202e\u2028\nFAKE | INFO | all is well"
"""What changes a terminal, turns what is read around, and forges a log line."""
_BOMB: Final = gzip.compress(b" " * (128 << 20), 9)
_PIECE: Final = b"x" * (1 << 20)


def _whole(status: str, body: bytes, *headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    answer = "\r\n".join(lines).encode() + body
    return lambda connection: connection.sendall(answer)


def _drip(start: bytes) -> Answer:
    def drip(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(b"1")
            time.sleep(0.5)

    return drip


def _endless(start: bytes, piece: bytes = _PIECE) -> Answer:
    def flood(connection: socket.socket) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)

    return flood


def _json(value: object, status: str = "200 OK") -> Answer:
    return _whole(status, json.dumps(value).encode(), "Content-Type: application/json")


HEAD: Final = b"HTTP/1.1 200 OK\r\n"
SLOW: Final[dict[str, Answer]] = {
    "a byte now and then in the body": _drip(HEAD + b"Content-Length: 1000000\r\n\r\n"),
    "a byte now and then in a header": _drip(HEAD + b"X: "),
    "nothing": lambda _: time.sleep(60),
}
"""Answers that never end. A run must end all the same, when it is asked to."""
WRONG: Final[dict[str, Answer]] = {
    "a body without end": _endless(HEAD + b"Connection: close\r\n\r\n"),
    "chunks without end": _endless(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + _PIECE + b"\r\n"
    ),
    "headers without end": _endless(HEAD, b"X: y\r\n" * 1000),
    "a header line without end": _endless(HEAD + b"X: "),
    "a gzip bomb": _whole("200 OK", _BOMB, "Content-Encoding: gzip"),
    "a gzip bomb in a gzip bomb": _whole(
        "200 OK", gzip.compress(_BOMB), "Content-Encoding: gzip, gzip"
    ),
    "no gzip": _whole("200 OK", b"{}", "Content-Encoding: gzip"),
    "a redirect to itself": _whole("307 Temporary Redirect", b"", "Location: /"),
    "a redirect to another host": _whole("302 Found", b"", "Location: http://192.0.2.1/"),
    "an answer that is cut": lambda connection: connection.sendall(
        HEAD + b'Content-Length: 500\r\n\r\n{"a":'
    ),
    "no HTTP": lambda connection: connection.sendall(b"SSH-2.0-OpenSSH\r\n\r\n"),
    "no answer": lambda _: None,
    "an impossible length": lambda connection: connection.sendall(
        HEAD + b"Content-Length: -1\r\n\r\n"
    ),
    "a wrong chunk": lambda connection: connection.sendall(
        HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"
    ),
    "another status each": _json({"status": "ok"}, "299 Odd"),
    "status 99999": lambda connection: connection.sendall(b"HTTP/1.1 99999 X\r\n\r\n"),
    "a list": _json([1, 2]),
    "a number": _json(7),
    "wrong types": _json(
        {
            "error": [1],
            "status": {},
            "message": {"a": [1]},
            "failed_records": {"index": "x"},
            "num_records_imported": "many",
            "errors": [[1], None, {"index": [1]}],
            "results": {"a": 1},
            "page": [],
        }
    ),
    "JSON nested too deep": _whole("400 Bad Request", b'{"a":' + b"[" * 200_000),
    "a number of 100,000 digits": _whole(
        "400 Bad Request", b'{"num_records_imported":' + b"9" * 100_000 + b"}"
    ),
    "a wait of infinite length": _whole("429 Slow", b"{}", "Retry-After: 1e400"),
    "a wait that is no number": _whole("429 Slow", b"{}", "Retry-After: nan"),
    "a date that is none": _whole("400 Bad", b"{}", "Date: Thu, 99 Foo 99999 99:99:99"),
    "a zone far away": _whole("400 Bad", b"{}", "Date: Mon, 01 Jan 0001 00:00:00 +2359"),
    "escape sequences": _json({"error": ESCAPE, "message": ESCAPE}, "401 Unauthorized"),
    "a reason with escape sequences": _whole("401 \x1b[31mred", b"{}"),
    "an error of 5 MB": _json({"error": "E" * (5 << 20), "message": "E" * (5 << 20)}, "401 No"),
    "half a character": _whole("401 No", b'{"error":"\\ud83d","message":"\\ud83d\xff"}'),
}
"""Answers that come at once and are wrong. A run must end soon, in one line."""


@contextmanager
def misbehaving(answer: Answer) -> Iterator[str]:
    """Serve, and give the URL.

    Args:
        answer: Writes the answer to each request to its connection.
    """
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def reply(connection: socket.socket) -> None:
            with connection, suppress(OSError):
                connection.settimeout(60)
                connection.recv(65536)
                answer(connection)

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    threading.Thread(target=reply, args=(connection,), daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
