"""A proxy before an emulated object store that breaks connections in the middle of an object."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from urllib.parse import urlsplit


class Proxy(threading.Thread):
    """Passes requests on to an emulator, notes them, and cuts some of its answers short."""

    def __init__(self, target):
        super().__init__(daemon=True)
        self.target = target
        self.cuts = 0
        self.requests: list[str] = []
        self.server = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.server.getsockname()[1]}"

    def run(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.create_connection(self.target) as upstream:
            request = client.recv(65536)
            self.requests.append(request.partition(b"\r\n")[0].decode())
            upstream.sendall(request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1))
            answer = b""
            while piece := upstream.recv(65536):
                answer += piece
            if self.cuts and is_read(request):
                self.cuts -= 1
                answer = answer[: len(answer) - 300]
            client.sendall(answer)


def is_read(request):
    """Return whether a request asks for the content of a file."""
    line = request.partition(b"\r\n")[0]
    return line.startswith(b"GET") and b".avro" in line


@contextmanager
def proxy_before(url):
    parts = urlsplit(url)
    proxy = Proxy((parts.hostname, parts.port))
    proxy.start()
    yield proxy
    proxy.server.close()
