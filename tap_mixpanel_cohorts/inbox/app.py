"""The ASGI application: it receives pushes and reports its health.

Mixpanel retries after 429 and 5xx. After 400, 401, 403 and 404 it pauses the sync until the
customer resumes it. So the answer is 4xx only if no retry can help, and 503 for every problem of
the inbox.
"""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, Protocol

import anyio
from anyio.to_thread import run_sync
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse
from starlette.routing import Route

from tap_mixpanel_cohorts.inbox.push import BadPushError, read_push

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence

    from starlette.requests import Request

    from tap_mixpanel_cohorts.inbox.access import BasicAccess
    from tap_mixpanel_cohorts.inbox.push import Push

MOST_BODY_BYTES: Final = 10_000_000
MOST_REQUESTS: Final = 200
MOST_BYTES_IN_FLIGHT: Final = 64_000_000
"""The most bytes of all bodies together, so that many large bodies cannot fill the memory."""
BODY_SECONDS: Final = 30.0
RETRY_AFTER_SECONDS: Final = "5"
CLEANING_SECONDS: Final = 600.0

_log = logging.getLogger("mixpanel-cohort-inbox")


class Store(Protocol):
    """The store of pushes."""

    def store(self, push: Push) -> str:
        """Commit a page, and return its outcome."""


class _RefusedError(Exception):
    """Raised to end a request with a failure status."""

    def __init__(self, status: int, message: str, action: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.action = action


class Inbox:
    """Answer the calls of Mixpanel's sync."""

    def __init__(
        self,
        store: Store,
        access: BasicAccess,
        profile_properties: Sequence[str],
        *,
        ping: Callable[[], None],
        writers: int,
    ) -> None:
        """Connect the parts.

        Args:
            store: Stores the pages.
            access: Checks credentials.
            profile_properties: The properties of a person that are stored.
            ping: Raises if the database cannot be used.
            writers: The most pages that are stored at the same time.
        """
        self._store = store
        self._access = access
        self._names = tuple(profile_properties)
        self._ping = ping
        self._limiter = anyio.CapacityLimiter(writers)
        self._requests = 0
        self._bytes = 0

    async def receive(self, request: Request) -> JSONResponse:
        """Store one push and answer it: POST /."""
        started = time.monotonic()
        seen: dict[str, object] = {}
        status = 200
        answer: dict[str, object]
        self._requests += 1
        try:
            push = await self._read(request)
            seen = {
                "action": push.action,
                "project": push.project_id,
                "cohort": push.cohort_id,
                "session": push.session_id,
                "page": push.page,
                "pages": push.total_pages,
                "members": len(push.members),
            }
            seen["outcome"] = await run_sync(self._store.store, push, limiter=self._limiter)
            answer = {"action": push.action, "status": "success"}
        except _RefusedError as error:
            status = error.status
            answer = _failure(status, str(error), error.action or str(seen.get("action", "")))
            seen["reason"] = str(error)
        except Exception as error:  # noqa: BLE001 - Mixpanel retries after any error
            # The error's text and stack trace are not logged: they may contain personal data.
            status = 503
            answer = _failure(
                status, "The inbox cannot store this now: try again.", str(seen.get("action", ""))
            )
            seen["reason"] = _cause(error)
        finally:
            self._requests -= 1
        level = logging.INFO if status < HTTPStatus.BAD_REQUEST else logging.WARNING
        seen |= {"status": status, "ms": round((time.monotonic() - started) * 1000)}
        _log.log(level, "push", extra={"fields": seen})
        headers = {401: {"WWW-Authenticate": "Basic"}, 503: {"Retry-After": RETRY_AFTER_SECONDS}}
        return JSONResponse(answer, status, headers.get(status))

    async def _read(self, request: Request) -> Push:
        if not self._access.allows(request.headers.get("authorization")):
            raise _RefusedError(
                401,
                "Wrong user or password. Correct them in this destination's settings in Mixpanel, "
                "or in the inbox's --username and MIXPANEL_COHORT_INBOX_PASSWORD.",
            )
        if self._requests > MOST_REQUESTS:
            raise _RefusedError(503, "Too many requests at the same time: try again.")
        parts: list[bytes] = []
        size = 0
        try:
            with anyio.fail_after(BODY_SECONDS):
                async for part in request.stream():
                    size += len(part)
                    self._bytes += len(part)
                    if size > MOST_BODY_BYTES:
                        raise _RefusedError(
                            413,
                            f"The body is larger than {MOST_BODY_BYTES:,} bytes. Select fewer "
                            "properties under Properties to Export in Mixpanel.",
                        )
                    if self._bytes > MOST_BYTES_IN_FLIGHT:
                        raise _RefusedError(503, "Too many bytes at the same time: try again.")
                    parts.append(part)
            return read_push(b"".join(parts), self._names)
        except (TimeoutError, ClientDisconnect):
            raise _RefusedError(503, "The body did not come in time: try again.") from None
        except BadPushError as error:
            raise _RefusedError(400, str(error), error.action) from None
        finally:
            self._bytes -= size

    async def health(self, _: Request) -> JSONResponse:
        """Answer that the process is running: GET /health."""
        return JSONResponse({"status": "ok"})

    async def ready(self, _: Request) -> JSONResponse:
        """Answer whether pushes can be stored: GET /ready."""
        try:
            await run_sync(self._ping)
        except Exception as error:  # noqa: BLE001 - any error means: not ready
            _log.warning("not ready", extra={"fields": {"reason": _cause(error)}})
            return JSONResponse({"status": "unavailable"}, 503)
        return JSONResponse({"status": "ok"})


def make_app(inbox: Inbox, clean: Callable[[], int]) -> Starlette:
    """Return the application.

    Args:
        inbox: Answers the calls.
        clean: Deletes old rows. It is called at the start and then every ten minutes.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        cleaning = asyncio.create_task(_clean_now_and_then(clean))
        try:
            yield
        finally:
            cleaning.cancel()

    return Starlette(
        routes=[
            Route("/", inbox.receive, methods=["POST"]),
            Route("/health", inbox.health),
            Route("/ready", inbox.ready),
        ],
        exception_handlers={HTTPException: _not_served},
        lifespan=lifespan,
    )


async def _clean_now_and_then(clean: Callable[[], int]) -> None:
    while True:
        try:
            deleted = await run_sync(clean, abandon_on_cancel=True)
            if deleted:
                _log.info("cleaned", extra={"fields": {"rows": deleted}})
        except Exception as error:  # noqa: BLE001 - the next attempt is in ten minutes
            _log.warning("not cleaned", extra={"fields": {"reason": _cause(error)}})
        await asyncio.sleep(CLEANING_SECONDS)


async def _not_served(_: Request, error: Exception) -> JSONResponse:
    status = error.status_code if isinstance(error, HTTPException) else 503
    return JSONResponse(
        _failure(status, "Mixpanel's cohort sync is served at POST / of this server only."), status
    )


def _failure(status: int, message: str, action: str = "") -> dict[str, object]:
    """Return the body of a failure in Mixpanel's format. Mixpanel shows the message to its user."""
    return {"action": action, "status": "failure", "error": {"message": message, "code": status}}


def _cause(error: Exception) -> str:
    original = getattr(error, "orig", None)
    return type(error).__name__ if original is None else type(original).__name__
