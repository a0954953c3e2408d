"""Send requests to Braze in parallel. The caller awaits each response.

A request blocks its thread, so requests run in a pool of threads. Everything else of a delivery
runs as coroutines in the caller's thread, because only this thread may use the membership database.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from braze_mixpanel.http.credentials_check import probe_before_run
from braze_mixpanel.http.send_loop import CountedRequests, Patience
from target_braze_cohorts.braze.outcomes import LOCKED, TOO_MANY_REQUESTS, judge, require_braze

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_mixpanel.http.rate_limit import SharedRateLimit
    from braze_mixpanel.http.send_loop import SendLoop, TryAgain
    from target_braze_cohorts.braze.braze_answer import BrazeAnswer
    from target_braze_cohorts.braze.client import BrazeClient


class Senders(CountedRequests):
    """Sends requests of one client, so many at once, each until it has a final answer."""

    def __init__(
        self,
        client: BrazeClient,
        loop: SendLoop,
        rate_limit: SharedRateLimit,
        *,
        concurrency: int,
        retry_seconds: float,
    ) -> None:
        """Create the senders. The threads start with the first request.

        Args:
            client: Sends one request.
            loop: Retries requests. `rate_limit` is its gate.
            rate_limit: The shared rate limit, updated from each response.
            concurrency: The most requests in flight.
            retry_seconds: How many seconds one request is retried after its first failure.
        """
        super().__init__(loop)
        self.client = client
        self.concurrency = concurrency
        self._rate_limit = rate_limit
        self._retry_seconds = retry_seconds
        self._threads = ThreadPoolExecutor(concurrency, thread_name_prefix="sender")

    def check_credentials(self) -> None:
        """Check the credentials with a request that writes nothing.

        Raises:
            SettingsError: Braze rejects the credentials, or the address is wrong.
            TemporaryError: Braze did not respond for a minute.
        """
        answer = probe_before_run(
            self._loop, self._noting(self.client.probe), self._judge, self._retry_seconds
        )
        self._loop.pause(answer.wait)
        require_braze(answer)

    async def ask(
        self, request: Callable[[], BrazeAnswer], *, once_if_locked: bool = False
    ) -> BrazeAnswer:
        """Send a request in another thread, see `ask_now`."""

        def ask() -> BrazeAnswer:
            return self.ask_now(request, once_if_locked=once_if_locked)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)

    def ask_now(
        self, request: Callable[[], BrazeAnswer], *, once_if_locked: bool = False
    ) -> BrazeAnswer:
        """Send a request until it has a final response.

        Args:
            request: Sends the request once.
            once_if_locked: Whether 423, a locked cohort, is a final response too.

        Returns:
            The final response: accepted, or a status in `HALVED`.

        Raises:
            SettingsError: The credentials or the address are wrong.
            TemporaryError: Braze did not respond for `retry_seconds`.
            CohortLockedError: The cohort stayed locked for `retry_seconds`.
            StoppedError: A signal, or the failure of another request, stopped the run.
        """
        attempts = 0

        def judge_answer(answer: BrazeAnswer) -> TryAgain | None:
            nonlocal attempts
            attempts += 1
            if once_if_locked and answer.status == LOCKED:
                return None
            return self._judge(answer)

        patience = Patience(self._retry_seconds, "retry_seconds")
        answer = self._loop.send(self._noting(request), judge=judge_answer, patience=patience)
        self._loop.pause(answer.wait)
        return answer._replace(is_retry=attempts > 1)

    def stop(self) -> None:
        """Start no more requests, because one has failed permanently."""
        if not self._loop.is_stopped:
            self._loop.stop("Another request has failed.")

    def close(self) -> None:
        """Wait for the requests in flight, and end the threads."""
        self._threads.shutdown()

    def _noting(self, request: Callable[[], BrazeAnswer]) -> Callable[[], BrazeAnswer]:
        """Return a request that updates the shared rate limit from its response."""

        def send() -> BrazeAnswer:
            answer = request()
            self._rate_limit.saw(answer.rate_limit, refused=answer.status == TOO_MANY_REQUESTS)
            return answer

        return send

    def _judge(self, answer: BrazeAnswer) -> TryAgain | None:
        return judge(answer, self.client)
