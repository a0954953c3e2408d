"""A stand-in for Braze with a delay, as its own process: `python -m bench.slow_braze`.

It answers every request after 100 ms, as Braze does for 75 people, with the documented headers of
its rate limit. It keeps nobody's membership: it counts who is added and removed. Prints its URL;
for each line on standard input it prints the counts since the last one as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
import time

import msgspec

DELAY = 0.1
OK, BAD, TOO_MANY = 200, 400, 429
LIMITS = {"/users/track": (3_000, 3.0), "/partners/": (250_000, 3_600.0)}
"""Requests and seconds of a window, by the beginning of the path."""
MOST_PEOPLE = {"/users/track": 75, "/partners/": 1_000}


class SlowBraze:
    """Counts requests and people, and refuses what Braze's limits refuse."""

    def __init__(self) -> None:
        self.counts = {"requests": 0, "added": 0, "removed": 0, "limited": 0}
        self.most_at_once = 0
        self._at_once = 0
        self._windows: dict[str, tuple[float, int]] = {}

    def take_counts(self) -> dict[str, int]:
        """Return the counts since the last call."""
        counts, self.counts = self.counts, dict.fromkeys(self.counts, 0)
        most, self.most_at_once = self.most_at_once, 0
        return {**counts, "at once": most}

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                path = head.split(b" ", 2)[1].decode()
                length = next(
                    int(line.partition(b":")[2])
                    for line in head.split(b"\r\n")
                    if line.lower().startswith(b"content-length")
                )
                body = await reader.readexactly(length)
                self._at_once += 1
                self.most_at_once = max(self.most_at_once, self._at_once)
                await asyncio.sleep(DELAY)
                self._at_once -= 1
                writer.write(self._answer(path, body))
        except (asyncio.IncompleteReadError, ConnectionError):
            writer.close()

    def _answer(self, path: str, body: bytes) -> bytes:
        kind = next(kind for kind in LIMITS if path.startswith(kind))
        limit, seconds = LIMITS[kind]
        now = time.time()
        until, used = self._windows.get(kind, (0.0, 0))
        if now >= until:
            until, used = now + seconds, 0
        self.counts["requests"] += 1
        status = (
            TOO_MANY if used >= limit else self._take(msgspec.json.decode(body), MOST_PEOPLE[kind])
        )
        self._windows[kind] = (until, min(used + 1, limit))
        self.counts["limited"] += status == TOO_MANY
        content = b'{"message":"success"}' if status == OK else b'{"message":"no"}'
        head = (
            f"HTTP/1.1 {status} X\r\nContent-Length: {len(content)}\r\n"
            f"X-RateLimit-Limit: {limit}\r\nX-RateLimit-Remaining: {max(0, limit - used - 1)}\r\n"
            f"X-RateLimit-Reset: {until:.0f}\r\n\r\n"
        )
        return head.encode() + content

    def _take(self, body: dict[str, object], most: int) -> int:
        added = removed = 0
        changes = body.get("cohort_changes", ())
        users = body.get("attributes", ())
        assert isinstance(changes, list | tuple)
        assert isinstance(users, list | tuple)
        for change in changes:
            people = len(change.get("user_ids", ()))
            removed += people if change["should_remove"] else 0
            added += 0 if change["should_remove"] else people
        for user in users:
            value = next(value for value in user.values() if isinstance(value, dict))
            removed += "remove" in value
            added += "add" in value
        if added + removed > most or ("attributes" in body and not users):
            return BAD
        self.counts["added"] += added
        self.counts["removed"] += removed
        return OK


async def main() -> None:
    """Serve until standard input ends."""
    braze = SlowBraze()
    server = await asyncio.start_server(braze.serve, "127.0.0.1", 0, limit=1 << 22)
    print(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", flush=True)
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def report() -> None:
        for _ in sys.stdin:
            print(json.dumps(braze.take_counts()), flush=True)
        loop.call_soon_threadsafe(ended.set)

    threading.Thread(target=report, daemon=True).start()
    async with server:
        await ended.wait()


if __name__ == "__main__":
    asyncio.run(main())
