"""Run coroutines in parallel, with a bound on their number, until all have ended."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine


class SideBySide:
    """Run coroutines in parallel. After the first failure, no more are started.

    Running coroutines are not cancelled: Braze may have applied their change, and the response
    shows whether it did. `asyncio.TaskGroup` would cancel them.
    """

    def __init__(
        self, places: asyncio.Semaphore, failed: Callable[[BaseException], None] = lambda _: None
    ) -> None:
        """Start without coroutines.

        Args:
            places: Bounds the number of running coroutines. Several groups may share it.
            failed: Called with each error, as soon as it is raised.
        """
        self._places, self._failed = places, failed
        self._tasks: set[asyncio.Task[Any]] = set()
        self._failure: BaseException | None = None

    async def start(self, coroutine: Callable[[], Coroutine[Any, Any, object]]) -> bool:
        """Run a coroutine as soon as there is a place.

        Args:
            coroutine: Returns the coroutine.

        Returns:
            Whether the coroutine was started. False after a failure, which `join` raises.
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
