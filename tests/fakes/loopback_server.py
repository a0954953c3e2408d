"""Runs the HTTP server of a fake in a thread, as long as a `with` block lasts."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from http.server import ThreadingHTTPServer

    from typing_extensions import Self

_POLL_SECONDS: Final = 0.01


class LoopbackServer:
    """Base of the fakes; their handlers ask the fake itself."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        """Plan to run a server that already has its port."""
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(_POLL_SECONDS,))

    @property
    def url(self) -> str:
        """What to set as the service's address."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
