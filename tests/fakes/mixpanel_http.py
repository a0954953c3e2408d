"""The HTTP side of the fake Mixpanel: reads requests, breaks connections, writes answers."""

from __future__ import annotations

import contextlib
import gzip
import json
import socket
import struct
import time
import zlib
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from tests.fakes import mixpanel_faults as faults

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.fakes.fake_mixpanel import FakeMixpanel
    from tests.fakes.mixpanel_faults import Fault

MAX_EVENTS = 2000
MAX_BYTES = 10_000_000
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class Request:
    """What came in; `status` is 0 where the connection was closed instead of an answer."""

    number: int
    """From 0, in the order of arrival."""
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    auth: str
    """`service_account`, `project_token`, `api_secret`, `wrong` or `none`."""
    wire_size: int
    size: int = 0
    """Bytes of the body before compression."""
    event_count: int = 0
    status: int = 0
    imported: int = 0
    fault: Fault | None = None
    events: Sequence[Any] = field(default=(), repr=False)
    """What was inside; kept in the log only with `keep_bodies`."""


class Refused(Exception):  # noqa: N818 - it is an answer, not an error
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"code": status, "error": message, "status": "error"}


class Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Any, fake: FakeMixpanel) -> None:
        super().__init__(address, handler)
        self.fake = fake
        self._open: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._open.add(request)
        self.fake.connections += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._open.discard(request)
        super().shutdown_request(request)

    def handle_error(self, *_: object) -> None:
        """Stay silent: clients that are killed in the middle of a request are the point."""

    def server_close(self) -> None:
        super().server_close()
        self.close_connections()

    def close_connections(self) -> None:
        for connection in tuple(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    server: Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    # A whole answer fits, so it goes out only after the request stands in the log.
    wbufsize = 1 << 19

    def log_message(self, *_: object) -> None:
        """Stay silent."""

    def do_GET(self) -> None:
        if self.path == "/_fake":
            self._answer(200, self.server.fake.summary())
        else:
            self._handle()

    def do_POST(self) -> None:
        self._handle()

    do_PUT = do_POST  # noqa: N815

    def _handle(self) -> None:
        fake = self.server.fake
        number = fake.arrive()
        url = urlsplit(self.path)
        request = Request(
            number=number,
            method=self.command,
            path=url.path,
            query={key: values[0] for key, values in parse_qs(url.query).items()},
            headers=dict(self.headers.items()),
            auth=fake.auth_kind(self.headers.get("Authorization")),
            wire_size=int(self.headers.get("Content-Length") or 0),
        )
        try:
            request = self._serve(request)
        except OSError:
            self.close_connection = True
        finally:
            fake.leave(request)

    def _serve(self, request: Request) -> Request:
        fake = self.server.fake
        fault = fake.fault_before_reading(request.number)
        if fault == faults.Close("before_reading"):
            self._break()
            return replace(request, fault=fault)
        if "Content-Length" not in self.headers:
            self._answer(411, {"error": "Content-Length is required"})
            return replace(request, status=411)
        body = self.rfile.read(request.wire_size)
        if len(body) < request.wire_size:
            self.close_connection = True
            return request
        try:
            fake.check(request)
            plain = _plain(body, self.headers.get("Content-Encoding"))
            events = _parse(plain, self.headers.get("Content-Type"))
            request = replace(request, size=len(plain), events=events, event_count=len(events))
            _check_limits(request)
        except Refused as refused:
            self._answer(refused.status, refused.body)
            return replace(request, status=refused.status)
        fault = fault or fake.fault_for(request)
        while isinstance(fault, faults.Hold):
            fault.until.wait(fault.at_most)
            fault = fault.then
        request = replace(request, fault=fault)
        return self._answer_with_fault(request, fault)

    def _answer_with_fault(self, request: Request, fault: Fault | None) -> Request:
        if isinstance(fault, faults.Answer):
            self._answer(fault.status, fault.body, fault.headers)
            return replace(request, status=fault.status)
        if isinstance(fault, faults.Close) and fault.when.startswith("before"):
            self._break()
            return request
        status, body = self.server.fake.store(request.events, request.size)
        request = replace(request, imported=body["num_records_imported"])
        if isinstance(fault, faults.Close):
            if fault.when == "in_answer":
                self._answer(status, body, cut=True)
            self._break()
            return request
        if isinstance(fault, faults.Delay):
            time.sleep(fault.seconds)
        if isinstance(fault, faults.Garbage):
            self._answer(fault.status, fault.body)
            return replace(request, status=fault.status)
        if isinstance(fault, faults.Miscount):
            body["num_records_imported"] += fault.by
        self._answer(status, body)
        return replace(request, status=status)

    def _answer(
        self,
        status: int,
        body: Any,
        headers: Mapping[str, str] | None = None,
        *,
        cut: bool = False,
    ) -> None:
        content = body if isinstance(body, bytes) else json.dumps(body or {}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        if cut:
            self.wfile.flush()

    def _break(self) -> None:
        self.close_connection = True
        if not self.rfile.closed:
            # A reset, not an orderly end: what a dying load balancer does.
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


def _plain(body: bytes, encoding: str | None) -> bytes:
    if encoding in {None, "identity"}:
        return body
    if encoding != "gzip":
        raise Refused(400, f"Content-Encoding {encoding} is not supported")
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise Refused(400, "the body is not gzip") from error


def _parse(body: bytes, content_type: str | None) -> list[Any]:
    kind = (content_type or "").partition(";")[0].strip()
    try:
        if kind == "application/x-ndjson":
            return [_decode(line) for line in body.splitlines() if line.strip()]
        if kind != "application/json":
            raise Refused(400, f"Content-Type {content_type} is not supported")
        events = _decode(body)
    except msgspec.DecodeError as error:
        raise Refused(400, f"the body is not JSON: {error}") from error
    if not isinstance(events, list):
        raise Refused(400, "the body must be a JSON array")
    return events


def _check_limits(request: Request) -> None:
    if request.size > MAX_BYTES:
        raise Refused(413, f"request exceeds max limit of {MAX_BYTES} bytes")
    if request.event_count > MAX_EVENTS:
        raise Refused(413, f"request exceeds max limit of {MAX_EVENTS} events")
