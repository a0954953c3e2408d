"""Runs coroutines side by side, so many at once, until all have ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class SideBySide:
    """Runs coroutines at the same time, so many of them; the first failure starts no more.

    An answer that is on its way is worth waiting for: Braze may have taken the change. So nothing
    is cancelled.
    """

    def __init__(
        self, places: asyncio.Semaphore, failed: Callable[[BaseException], None] = lambda _: None
    ) -> None:
        """Start with nothing to run.

        Args:
            places: One for each coroutine that may run; several groups may share them.
            failed: Called at once with each failure.
        """
        self._places, self._failed = places, failed
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None

    async def start(self, coroutine: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Run a coroutine as soon as there is a place.

        Args:
            coroutine: Makes it.

        Returns:
            Whether it runs; False after a failure, which `join` raises.
        """
        await self._places.acquire()
        if self._failure is not None:
            self._places.release()
            return False
        task = asyncio.create_task(self._run(coroutine))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return True

    async def join(self) -> None:
        """Wait until all have ended.

        Raises:
            BaseException: The first failure.
        """
        while self._tasks:
            await asyncio.wait(set(self._tasks))
        if self._failure is not None:
            raise self._failure

    async def _run(self, coroutine: Callable[[], Coroutine[Any, Any, object]]) -> None:
        try:
            await coroutine()
        except BaseException as error:  # noqa: BLE001 - raised by `join`
            self._failure = self._failure or error
            self._failed(error)
        finally:
            self._places.release()
