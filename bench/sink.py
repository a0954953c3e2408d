"""An HTTP server that takes import requests at next to no cost, and counts what came.

It runs as its own process, so that its processor time is not the pipeline's. It must open each
body to answer with the right count, as a target may check it; that takes about a second and a
half a million events, which the report gives.

`python -m bench.sink SECONDS` answers each import so much later, as a real service does.
"""

from __future__ import annotations

import contextlib
import json
import socket
import sys
import threading
import time

from isal import igzip

_lock = threading.Lock()
_totals = {"requests": 0, "events": 0, "wire_bytes": 0, "plain_bytes": 0}
_delay = float(sys.argv[1]) if len(sys.argv) > 1 else 0.0


def _count(body: bytes) -> int:
    plain = igzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
    events = plain.count(b'"$insert_id"')
    with _lock:
        _totals["requests"] += 1
        _totals["events"] += events
        _totals["wire_bytes"] += len(body)
        _totals["plain_bytes"] += len(plain)
    return events


def _answer(head: bytes, body: bytes) -> tuple[bytes, bytes]:
    if head.startswith(b"GET"):
        with _lock:
            totals = {**_totals, "cpu_seconds": time.process_time()}
        return b"200 OK", json.dumps(totals).encode()
    events = _count(body)
    if events == 0:
        # A request that imports nothing is a probe of the credentials.
        failed = [{"index": 0, "$insert_id": "", "field": "properties.time", "message": "required"}]
        refusal = {"code": 400, "failed_records": failed, "num_records_imported": 0}
        return b"400 Bad Request", json.dumps(refusal).encode()
    if _delay:
        time.sleep(_delay)
    return b"200 OK", b'{"code":200,"num_records_imported":%d,"status":"OK"}' % events


def _serve(connection: socket.socket) -> None:
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream = connection.makefile("rb", buffering=1 << 20)
    with connection, stream, contextlib.suppress(OSError):
        while True:
            head, length = stream.readline(), 0
            while (line := stream.readline()) not in {b"\r\n", b""}:
                name, _, value = line.partition(b":")
                if name.lower() == b"content-length":
                    length = int(value)
            if not head:
                return
            status, content = _answer(head, stream.read(length))
            connection.sendall(
                b"HTTP/1.1 %b\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b"
                % (status, len(content), content)
            )


def main() -> None:
    """Print the port, then serve until killed."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    print(listener.getsockname()[1], flush=True)
    while True:
        connection, _ = listener.accept()
        threading.Thread(target=_serve, args=(connection,), daemon=True).start()


if __name__ == "__main__":
    main()
