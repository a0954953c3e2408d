"""An HTTP session that bounds the size of a response, and the time of a whole request.

`requests` bounds only the wait for each read. A server that sends one byte every second would hold
a request forever, and a gzip bomb would fill the memory. So the body is read and decompressed in
pieces up to a limit, and a timer closes the connection when the whole request takes too long.
"""

from __future__ import annotations

import http.client
import socket
import threading
import zlib
from contextlib import suppress
from http.cookiejar import DefaultCookiePolicy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError as TransportError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from urllib3 import ProxyManager

MOST_ANSWER_BYTES: Final = 16 << 20
"""The most bytes of a decompressed response. The longest documented response lists 2,000 rejected
events and has about 1 MB."""
SPARE_SECONDS: Final = 30.0
"""The most seconds from the first byte of a response to the last."""
_PIECE_BYTES: Final = 64 << 10
_NO_COOKIES: Final = DefaultCookiePolicy(allowed_domains=[])
"""Neither service needs any, and a server could follow a customer by one."""
_GZIP_OR_ZLIB: Final = zlib.MAX_WBITS | 32

_current = threading.local()
"""Its attribute `deadline` is the deadline of this thread's request."""


class AnswerTooLargeError(requests.RequestException):
    """The response is too large."""


class AnswerTooSlowError(requests.RequestException):
    """The request took longer than its deadline."""


class HttpResponse(NamedTuple):
    """A complete response."""

    status: int
    reason: str
    headers: Mapping[str, str]
    content: bytes


class _Response(http.client.HTTPResponse):
    """Start the deadline for the rest of a response when its first byte has arrived."""

    def begin(self) -> None:
        self.fp.peek(1)  # waits for the first byte, but does not consume it
        _current.deadline.answer_began()
        super().begin()


class _Plain(HTTPConnection):
    response_class = _Response

    def request(self, *args: Any, **kwargs: Any) -> None:  # noqa: ANN401 - passed on
        _current.deadline.watch(self)
        super().request(*args, **kwargs)
        _current.deadline.hold(self.sock)


class _Encrypted(_Plain, HTTPSConnection):
    """The same over TLS: `request` of `_Plain` goes on to that of `HTTPSConnection`."""


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


_POOLS: Final = {"http": _PlainPool, "https": _EncryptedPool}


class _Adapter(HTTPAdapter):
    """An adapter of requests with one connection, which is watched by the deadline."""

    def __init__(self) -> None:
        super().__init__(pool_connections=1, pool_maxsize=1)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **options: object) -> ProxyManager:
        manager: ProxyManager = super().proxy_manager_for(proxy, **options)
        manager.pool_classes_by_scheme = _POOLS
        return manager


class _Deadline:
    """Close the connection of one request when its time is over."""

    def __init__(self, most_seconds: float, rest_seconds: float) -> None:
        self.is_over = False
        self._rest_seconds = rest_seconds
        self._connection: HTTPConnection | None = None
        self._socket: socket.socket | None = None
        self._timers: list[threading.Timer] = []
        self._start(most_seconds)

    def watch(self, connection: HTTPConnection) -> None:
        """Keep the connection of the request."""
        self._connection = connection

    def hold(self, sock: socket.socket | None) -> None:
        """Keep the socket. If the response ends with the connection, the connection drops it."""
        self._socket = sock

    def answer_began(self) -> None:
        """Start the shorter time for the rest of the response."""
        self._start(self._rest_seconds)

    def end(self) -> None:
        """Close the connection. A thread that waits for bytes then gets an error."""
        self.is_over = True
        sock = self._socket or getattr(self._connection, "sock", None)
        if sock is not None:
            with suppress(OSError):
                # Not `SSLSocket.shutdown`: it would change state that the reading thread uses.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)

    def cancel(self) -> None:
        """Stop the timers, because the request is over."""
        for timer in self._timers:
            timer.cancel()

    def _start(self, seconds: float) -> None:
        timer = threading.Timer(seconds, self.end)
        timer.daemon = True
        timer.start()
        self._timers.append(timer)


class BoundedSession:
    """Send requests over one persistent connection. For use in one thread only."""

    def __init__(
        self,
        timeouts: tuple[float, float],
        headers: Mapping[str, str | bytes],
        *,
        most_seconds: float | None = None,
        rest_seconds: float = SPARE_SECONDS,
        most_bytes: int = MOST_ANSWER_BYTES,
    ) -> None:
        """Create a session. This sends nothing.

        Args:
            timeouts: The seconds to wait for a connection, and for each read of a response.
            headers: The headers of every request, with the credentials. Neither a `.netrc` file
                nor a user in the URL replaces them.
            most_seconds: The most seconds of a whole request. By default the sum of `timeouts` and
                `rest_seconds`.
            rest_seconds: The most seconds of a response after its first byte. The time-out of a
                read is used if it is shorter.
            most_bytes: The most bytes of a decompressed response.
        """
        self._timeouts, self._most_bytes = timeouts, most_bytes
        self._rest_seconds = min(rest_seconds, timeouts[1])
        self._most_seconds = most_seconds or sum(timeouts) + self._rest_seconds
        self._deadline: _Deadline | None = None
        self._session = requests.Session()
        self._session.headers.update(headers)
        self._session.headers["Accept-Encoding"] = "gzip"
        self._session.auth = _keep_credentials
        self._session.cookies.set_policy(_NO_COOKIES)
        adapter = _Adapter()
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)

    def post(
        self,
        url: str,
        data: bytes | Mapping[str, str],
        params: Mapping[str, str] | None = None,
    ) -> HttpResponse:
        """Send a request and return the complete response. Redirects are not followed.

        Args:
            url: The absolute URL.
            data: The body. A mapping is sent as a form.
            params: The query parameters.

        Raises:
            requests.RequestException: There was no complete response. This includes
                `AnswerTooLargeError` and `AnswerTooSlowError`.
            ValueError: The URL cannot be used.
        """
        deadline = _Deadline(self._most_seconds, self._rest_seconds)
        self._deadline = _current.deadline = deadline
        try:
            answer = self._exchange(url, data, params)
        except (requests.RequestException, ValueError, OSError) as error:
            if deadline.is_over:
                raise AnswerTooSlowError("no whole answer in time") from error
            raise
        finally:
            deadline.cancel()
            self._deadline = None
        # A body without Content-Length looks complete when the connection is closed early.
        if deadline.is_over:
            raise AnswerTooSlowError("no whole answer in time")
        return answer

    def abort(self) -> None:
        """End the request in flight, if there is one. Any thread may call this."""
        deadline = self._deadline
        if deadline is not None:
            deadline.end()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()

    def _exchange(
        self, url: str, data: bytes | Mapping[str, str], params: Mapping[str, str] | None
    ) -> HttpResponse:
        with self._session.post(
            url,
            data=data,
            params=params,
            timeout=self._timeouts,
            allow_redirects=False,
            stream=True,
        ) as response:
            pieces = _read(response)
            encoding = response.headers.get("Content-Encoding", "").strip().lower()
            if encoding in ("gzip", "x-gzip", "deflate"):
                pieces = _unpack(pieces)
            content = bytearray()
            for piece in pieces:
                content += piece
                if len(content) > self._most_bytes:
                    raise AnswerTooLargeError(f"more than {self._most_bytes} bytes of answer")
            return HttpResponse(
                response.status_code, response.reason, response.headers, bytes(content)
            )


def _keep_credentials(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


def _read(response: requests.Response) -> Iterator[bytes]:
    """Yield a body as it was sent. Raise errors of requests."""
    try:
        yield from response.raw.stream(_PIECE_BYTES, decode_content=False)
    except (TransportError, OSError, ValueError) as error:
        raise requests.ConnectionError(type(error).__name__) from error


def _unpack(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Decompress gzip or zlib, at most one piece at a time."""
    unpacker = zlib.decompressobj(_GZIP_OR_ZLIB)
    try:
        for piece in pieces:
            rest = piece
            while rest and not unpacker.eof:
                yield unpacker.decompress(rest, _PIECE_BYTES)
                rest = unpacker.unconsumed_tail
        yield unpacker.flush()
    except zlib.error as error:
        raise requests.exceptions.ContentDecodingError("no gzip") from error
