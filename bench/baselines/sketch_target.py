"""The bare sketch of the target: decode, map, compress, send; nothing is checked or retried."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from threading import local
from typing import TYPE_CHECKING

import msgspec
import requests
from isal import igzip

from bench.baselines.events import to_event

if TYPE_CHECKING:
    from concurrent.futures import Future

_thread = local()
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
WORKERS = 4


def _send(url: str, events: list[bytes]) -> None:
    session = _thread.__dict__.setdefault("session", requests.Session())
    session.post(
        f"{url}/import?strict=1",
        data=igzip.compress(b"[" + b",".join(events) + b"]", 1),
        headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
        auth=("token", ""),
        timeout=60,
    ).raise_for_status()


def main() -> None:
    """Send the RECORD lines of the input to the URL that is given."""
    url = sys.argv[1]
    waiting: list[Future[None]] = []
    with ThreadPoolExecutor(WORKERS) as pool:
        while lines := list(islice(sys.stdin.buffer, 2000)):
            events = []
            for line in lines:
                message = _decode(line)
                if message["type"] == "RECORD":
                    event = to_event(message["stream"], message["record"], _decode)
                    events.append(_encode(event))
            if events:
                waiting.append(pool.submit(_send, url, events))
            if len(waiting) > 2 * WORKERS:
                waiting.pop(0).result()
        for future in waiting:
            future.result()


if __name__ == "__main__":
    main()
