"""A test of the credentials: before a run reads anything, and for `--check`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from braze_mixpanel.http.send_loop import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_mixpanel.http.send_loop import SendLoop, TryAgain

CHECK_TIMEOUTS: Final = (3.0, 5.0)
"""Seconds for a connection and for an answer when a person waits at the screen (`--check`)."""
PROBE_SECONDS: Final = 60.0
"""How long a run retries the test: a service that is down then would only fail later."""
_PAUSE_SECONDS: Final = 1.0

AnswerT = TypeVar("AnswerT")


def probe_before_run(
    loop: SendLoop,
    probe: Callable[[], AnswerT],
    judge: Callable[[AnswerT], TryAgain | None],
    retry_seconds: float,
) -> AnswerT:
    """Send a request that writes nothing, for a minute at most.

    Args:
        loop: Sends it.
        probe: Sends the request once.
        judge: See `SendLoop.send`.
        retry_seconds: The setting; where it is shorter than a minute, it counts.

    Raises:
        ConnectorError: What `SendLoop.send` raises.
    """
    patience = Patience(min(PROBE_SECONDS, retry_seconds), "a test of the credentials")
    return loop.send(probe, judge=judge, patience=patience)


def ask_again_if_busy(
    ask: Callable[[], AnswerT],
    *,
    has_answered: Callable[[AnswerT], bool],
    is_busy: Callable[[AnswerT], bool],
) -> AnswerT:
    """Ask, and once more after a second if that may help and does not take long.

    Args:
        ask: Sends a request, with `CHECK_TIMEOUTS`.
        has_answered: Whether the service answered.
        is_busy: Whether the same request may succeed later.

    Returns:
        The last answer.
    """
    began = time.monotonic()
    answer = ask()
    has_failed_soon = has_answered(answer) or time.monotonic() - began < _PAUSE_SECONDS
    if is_busy(answer) and has_failed_soon:
        time.sleep(_PAUSE_SECONDS)
        answer = ask()
    return answer
