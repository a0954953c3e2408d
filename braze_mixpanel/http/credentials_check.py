"""Test the credentials: before a run reads its input, and for `--check`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

from braze_mixpanel.http.send_loop import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from braze_mixpanel.http.send_loop import SendLoop, TryAgain

CHECK_TIMEOUTS: Final = (3.0, 5.0)
"""The seconds to wait for a connection and for a response in `--check`, where a person waits."""
PROBE_SECONDS: Final = 60.0
"""How long a run retries the test. If the service stays down, reading the input makes no sense."""
_PAUSE_SECONDS: Final = 1.0

AnswerT = TypeVar("AnswerT")


def probe_before_run(
    loop: SendLoop,
    probe: Callable[[], AnswerT],
    judge: Callable[[AnswerT], TryAgain | None],
    retry_seconds: float,
) -> AnswerT:
    """Send a request that writes nothing, with retries for at most a minute.

    Args:
        loop: The send loop.
        probe: Sends the request once.
        judge: See `SendLoop.send`.
        retry_seconds: The setting `retry_seconds`. It is used if it is shorter than a minute.

    Returns:
        The final response.

    Raises:
        ConnectorError: An error of `SendLoop.send`.
    """
    patience = Patience(min(PROBE_SECONDS, retry_seconds), "a test of the credentials")
    return loop.send(probe, judge=judge, patience=patience)


def ask_again_if_busy(
    ask: Callable[[], AnswerT],
    *,
    has_answered: Callable[[AnswerT], bool],
    is_busy: Callable[[AnswerT], bool],
) -> AnswerT:
    """Send a request, and send it again after a second if that may help and is fast.

    Args:
        ask: Sends the request, with `CHECK_TIMEOUTS`.
        has_answered: Returns whether there was a response.
        is_busy: Returns whether the same request may succeed later.

    Returns:
        The last response.
    """
    began = time.monotonic()
    answer = ask()
    has_failed_soon = has_answered(answer) or time.monotonic() - began < _PAUSE_SECONDS
    if is_busy(answer) and has_failed_soon:
        time.sleep(_PAUSE_SECONDS)
        answer = ask()
    return answer
