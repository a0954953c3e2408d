"""The waits between the attempts of one request (back-off)."""

from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_WAIT_SECONDS: Final = 2
LONGEST_WAIT_SECONDS: Final = 60
_LONGEST_DOUBLINGS: Final = 10
JITTER_SECONDS: Final = (1.0, 5.0)


def retry_waits(jitter: Callable[[float, float], float] = random.uniform) -> Iterator[float]:
    """Yield the seconds to wait before each retry: 2, 4, 8 … 60, plus 1 to 5 seconds of jitter.

    Source: Mixpanel's advice for `/import`. Braze asks for exponential back-off too.
    """
    for doublings in itertools.count():
        wait = FIRST_WAIT_SECONDS * 2 ** min(doublings, _LONGEST_DOUBLINGS)
        yield min(wait, LONGEST_WAIT_SECONDS) + jitter(*JITTER_SECONDS)
