"""The clocks of a run, passed to the parts that need the time, so that tests can set it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Clock:
    """A clock for dates, and one for waits. The defaults are the clocks of this machine.

    Attributes:
        wall: Returns UNIX seconds, to compare with the times of events. It may jump.
        steady: Returns seconds since any start, to measure waits. It never jumps.
        sleep: Waits for a number of seconds.
    """

    wall: Callable[[], float] = time.time
    steady: Callable[[], float] = time.monotonic
    sleep: Callable[[float], object] = time.sleep


SYSTEM_CLOCK: Final = Clock()
