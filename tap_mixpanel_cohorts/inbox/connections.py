"""Connections that send no request, or send it slowly, do not keep others out."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Final, cast

from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

HEAD_SECONDS: Final = 30
"""How long a client may take for the head of a request: its first line and its headers. Also how
long a connection stays open between two requests, and behind a body that was refused."""
MOST_CONNECTIONS: Final = 500
"""Beyond it, the connection that has waited longest for a request is closed for the new one. A
process may usually have 1,024 open files, and the database needs some of them."""


class BoundedConnection(H11Protocol):
    """A connection as uvicorn serves it, with a bound on the time and number of idle ones."""

    _waiting: ClassVar[dict[BoundedConnection, asyncio.TimerHandle]] = {}
    """Those without a request, the longest waiting first. A process has one server."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to wait for a request; close the longest waiting if there are too many."""
        super().connection_made(cast("asyncio.Transport", transport))
        self._wait()
        if len(self.connections) > MOST_CONNECTIONS:
            next(iter(self._waiting)).close_now()

    def close_now(self) -> None:
        """Close without an answer; `connection_lost` comes a little later."""
        self._wait_no_more()
        self.transport.abort()

    def handle_events(self) -> None:
        """Stop to wait once the head of a request has come."""
        before = self.cycle
        super().handle_events()
        if self.cycle is not before:
            self._wait_no_more()

    def on_response_complete(self) -> None:
        """Wait for the next request."""
        self._wait()  # first, since the next may be here already
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._wait_no_more()
        super().connection_lost(exc)

    def _wait(self) -> None:
        self._wait_no_more()
        self._waiting[self] = self.loop.call_later(HEAD_SECONDS, self.close_now)

    def _wait_no_more(self) -> None:
        if timer := self._waiting.pop(self, None):
            timer.cancel()
