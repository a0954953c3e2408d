"""How `--check` asks a service: somebody is waiting at the screen."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

CHECK_TIMEOUTS: Final = (3.0, 5.0)
"""Seconds for a connection and for an answer."""
_PAUSE_SECONDS: Final = 1.0

Answer = TypeVar("Answer")


def ask_again_if_busy(
    ask: Callable[[], Answer],
    *,
    has_answered: Callable[[Answer], bool],
    is_busy: Callable[[Answer], bool],
) -> Answer:
    """Ask, and once more after a second if that may help and does not take long.

    Args:
        ask: Sends a request, with `CHECK_TIMEOUTS`.
        has_answered: Whether the service said something.
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
