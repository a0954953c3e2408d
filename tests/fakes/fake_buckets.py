"""A server that speaks to obstore as S3, Google (both by the XML API) and Azure do.

Listings are ordered, come in pages, and begin where the caller asks: `start-after` and
`continuation-token` (S3 ListObjectsV2, which Google's XML API shares), `startFrom` and `marker`
(Azure List Blobs). Objects are read whole or by range; a range beyond the end is a 416. A PUT
writes an object when all its bytes have come: S3 and Google answer 200, Azure 201. The server can
answer late, refuse, and break connections in the middle of an object. Signatures are not checked.
"""

from __future__ import annotations

import asyncio
import threading
from bisect import bisect_left, bisect_right
from contextlib import contextmanager
from datetime import datetime, timezone
from email.utils import format_datetime
from html import escape
from typing import NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

EPOCH = datetime(2026, 11, 1, tzinfo=timezone.utc)
_REASONS = {200: "OK", 201: "Created", 206: "Partial Content"}


class Request(NamedTuple):
    method: str
    bucket: str
    key: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def is_list(self) -> bool:
        return "list-type" in self.query or self.query.get("comp") == "list"


class Refusal(NamedTuple):
    """An answer that is none of a success."""

    status: int
    code: str
    message: str = "Refused by the fake."


class FakeBuckets:
    """Buckets of one service; tests change what is public while it runs."""

    def __init__(self, *, delay=0.0, page_size=1000, note_requests=True):
        self.buckets: dict[str, dict[str, bytes]] = {}
        self.modified: dict[str, datetime] = {}
        self.requests: list[Request] = []
        self.refuse = lambda request: None
        """Request → Refusal, or None."""
        self.cuts = 0
        """So many answers with an object are broken off."""
        self.delay = delay
        self.page_size = page_size
        self.note_requests = note_requests
        self.url = ""
        self._sorted: dict[str, list[str]] = {}
        self.connections: set[asyncio.Transport] = set()

    def put(self, bucket, key, content, modified=None):
        self.buckets.setdefault(bucket, {})[key] = content
        if modified:
            self.modified[key] = modified
        self._sorted.pop(bucket, None)

    def upload(self, folder, bucket, prefix):
        for path in sorted(folder.rglob("*.avro")):
            self.put(bucket, f"{prefix}/{path.relative_to(folder).as_posix()}", path.read_bytes())

    def lists(self):
        return [request for request in self.requests if request.is_list]

    def answer(self, request):
        """Return status, headers and body."""
        refusal = self.refuse(request)
        objects = self.buckets.get(request.bucket)
        if refusal is None and objects is None:
            is_azure = "restype" in request.query
            refusal = Refusal(404, "ContainerNotFound" if is_azure else "NoSuchBucket")
        if refusal is not None:
            return self.refused(refusal)
        if request.is_list:
            body = self.listing(request, objects)
            return 200, {"content-type": "application/xml"}, body
        if request.method == "PUT":
            return self.written(request)
        content = objects.get(request.key)
        if content is None:
            return self.refused(Refusal(404, "NoSuchKey"))
        return self.content(request, content)

    def written(self, request):
        self.put(request.bucket, request.key, request.body)
        headers = {"etag": '"e"', "last-modified": format_datetime(EPOCH, usegmt=True)}
        return 201 if "x-ms-blob-type" in request.headers else 200, headers, b""

    def refused(self, refusal):
        body = f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
        return refusal.status, {"content-type": "application/xml"}, body.encode()

    def content(self, request, content):
        headers = {
            "last-modified": format_datetime(self.modified.get(request.key, EPOCH), usegmt=True),
            "etag": '"e"',
        }
        wanted = request.headers.get("x-ms-range") or request.headers.get("range")
        if not wanted:
            return 200, headers, content
        start, _, end = wanted.partition("=")[2].partition("-")
        if int(start) >= len(content):
            return self.refused(Refusal(416, "InvalidRange"))
        part = content[int(start) : int(end) + 1]
        headers["content-range"] = f"bytes {start}-{int(start) + len(part) - 1}/{len(content)}"
        return 206, headers, part

    def listing(self, request, objects):
        query = request.query
        keys = self._sorted.get(request.bucket)
        if keys is None:
            keys = self._sorted[request.bucket] = sorted(objects)
        prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
        after = query.get("continuation-token") or query.get("start-after") or ""
        at_or_after = query.get("marker") or query.get("startFrom") or ""
        place = max(bisect_left(keys, prefix), bisect_left(keys, at_or_after))
        if after:
            place = max(place, bisect_right(keys, after))
        found, folders, last = [], [], ""
        while place < len(keys) and len(found) + len(folders) < self.page_size:
            key = keys[place]
            if not key.startswith(prefix):
                break
            cut = key.find(delimiter, len(prefix)) if delimiter else -1
            if cut >= 0:
                last = key[: cut + 1]
                folders.append(last)
                last += "\U0010ffff"
                place = bisect_right(keys, last)
            else:
                found.append(key)
                last = key
                place += 1
        following = keys[place] if place < len(keys) and keys[place].startswith(prefix) else ""
        form = azure_listing if query.get("comp") == "list" else s3_listing
        return form(self, objects, found, folders, last if following else "", following)

    def when(self, key):
        return self.modified.get(key, EPOCH)


def s3_listing(server, objects, keys, folders, last, _following):
    contents = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>"
        f"{server.when(key):%Y-%m-%dT%H:%M:%S.000Z}</LastModified><ETag>&quot;e&quot;</ETag>"
        f"<Size>{len(objects[key])}</Size><StorageClass>STANDARD</StorageClass></Contents>"
        for key in keys
    )
    common = "".join(
        f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>" for name in folders
    )
    more = (
        f"<IsTruncated>true</IsTruncated><NextContinuationToken>{escape(last)}"
        "</NextContinuationToken>"
        if last
        else "<IsTruncated>false</IsTruncated>"
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ListBucketResult>'
        f"<KeyCount>{len(keys)}</KeyCount>{more}{contents}{common}</ListBucketResult>"
    ).encode()


def azure_listing(server, objects, keys, folders, _last, following):
    blobs = "".join(
        f"<Blob><Name>{escape(key)}</Name><Properties><Last-Modified>"
        f"{format_datetime(server.when(key), usegmt=True)}</Last-Modified><Etag>0x1</Etag>"
        f"<Content-Length>{len(objects[key])}</Content-Length>"
        "<Content-Type>application/octet-stream</Content-Type><BlobType>BlockBlob</BlobType>"
        "</Properties></Blob>"
        for key in keys
    )
    common = "".join(f"<BlobPrefix><Name>{escape(name)}</Name></BlobPrefix>" for name in folders)
    return (
        '\ufeff<?xml version="1.0" encoding="utf-8"?><EnumerationResults ContainerName="c">'
        f"<Blobs>{blobs}{common}</Blobs><NextMarker>{escape(following)}</NextMarker>"
        "</EnumerationResults>"
    ).encode()


class _Connection(asyncio.Protocol):
    def __init__(self, server):
        self.server = server
        self.received = b""

    def connection_made(self, transport):
        self.transport = transport
        self.server.connections.add(transport)

    def connection_lost(self, _error):
        self.server.connections.discard(self.transport)

    def data_received(self, data):
        self.received += data
        while b"\r\n\r\n" in self.received:
            head, _, rest = self.received.partition(b"\r\n\r\n")
            request = parse(head)
            length = int(request.headers.get("content-length", 0))
            if len(rest) < length:
                return  # the body is under way
            request = request._replace(body=rest[:length])
            self.received = rest[length:]
            if self.server.note_requests:
                self.server.requests.append(request)
            if self.server.delay:
                loop = asyncio.get_running_loop()
                loop.call_later(self.server.delay, self.respond, request)
            else:
                self.respond(request)

    def respond(self, request):
        status, headers, body = self.server.answer(request)
        headers = {**headers, "content-length": str(len(body))}
        lines = [f"HTTP/1.1 {status} {_REASONS.get(status, 'Refused')}"]
        lines += [f"{name}: {value}" for name, value in headers.items()]
        if request.method == "HEAD":
            body = b""
        if self.server.cuts and not request.is_list and status < 300:
            self.server.cuts -= 1
            self.transport.write("\r\n".join([*lines, "", ""]).encode() + body[: len(body) // 2])
            self.transport.close()
            return
        self.transport.write("\r\n".join([*lines, "", ""]).encode() + body)


def parse(head):
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    url = urlsplit(target)
    bucket, _, key = url.path.lstrip("/").partition("/")
    query = {
        name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()
    }
    headers = {name.lower(): value.strip() for name, _, value in (x.partition(":") for x in lines)}
    if "." in (host := headers.get("host", "").partition(":")[0]) and host.startswith("company."):
        bucket, key = "company", unquote(url.path.lstrip("/"))
    return Request(method, bucket, unquote(key), query, headers)


@contextmanager
def serving(server, tls=None):
    """Serve in a thread; sets `server.url`."""
    loop = asyncio.new_event_loop()
    started = threading.Event()

    async def begin():
        listener = await loop.create_server(lambda: _Connection(server), "127.0.0.1", 0, ssl=tls)
        scheme = "https" if tls else "http"
        host = "localhost" if tls else "127.0.0.1"
        server.url = f"{scheme}://{host}:{listener.sockets[0].getsockname()[1]}"
        started.set()
        return listener

    def run():
        asyncio.set_event_loop(loop)
        listener = loop.run_until_complete(begin())
        loop.run_forever()
        listener.close()
        for connection in list(server.connections):
            connection.abort()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    started.wait(10)
    yield server
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
