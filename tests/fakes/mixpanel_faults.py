"""Ways in which a fake Mixpanel can fail, and policies that decide when.

A policy is a list of faults (one for each request in the order of arrival, None for a good
answer) or a function of the request. All of them are deterministic.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Mapping, Sequence

    from tests.fakes.mixpanel_http import Request


@dataclass(frozen=True)
class Answer:
    """Nothing is stored and this is answered: 429, 500, 503, 401, a body nobody understands, …"""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """An object, sent as JSON, or bytes, sent as they are."""


@dataclass(frozen=True)
class Close:
    """The connection breaks; only with `after_storing` and `in_answer` the events are stored."""

    when: Literal["before_reading", "before_storing", "after_storing", "in_answer"]


@dataclass(frozen=True)
class Hold:
    """The answer waits until the test lets it go (or `at_most` seconds, so no test hangs)."""

    until: threading.Event
    then: Fault | None = None
    at_most: float = 60.0


@dataclass(frozen=True)
class Delay:
    """A slow server; the events are stored, then it takes its time to answer."""

    seconds: float


@dataclass(frozen=True)
class Miscount:
    """A 200 whose `num_records_imported` is off by this much."""

    by: int = -1


@dataclass(frozen=True)
class Garbage:
    """The events are stored, and the answer is no JSON."""

    status: int = 200
    body: bytes = b"<html>It works!</html>"


Fault = Answer | Close | Hold | Delay | Miscount | Garbage

TOO_MANY = Answer(429, body={"code": 429, "error": "too many requests", "status": "Rate limited"})
UNAVAILABLE = Answer(503, body=b"upstream connect error")
BAD_GATEWAY = Answer(502, body=b"<html>502 Bad Gateway</html>")
SERVER_ERROR = Answer(500, body={"code": 500, "error": "internal error"})
NOT_UNDERSTOOD = Answer(
    400, body={"code": 400, "error": "could not parse", "status": "Bad Request"}
)
TOO_LARGE = Answer(413, body={"code": 413, "error": "request exceeds max limit"})
PASSING = (
    TOO_MANY,
    UNAVAILABLE,
    BAD_GATEWAY,
    SERVER_ERROR,
    Close("before_reading"),
    Close("before_storing"),
    Close("after_storing"),
    Close("in_answer"),
)
"""Faults that a client gets over by trying again."""


def too_many(retry_after: float) -> Answer:
    """Make a 429 with `Retry-After`."""
    return Answer(429, {"Retry-After": f"{retry_after:g}"}, TOO_MANY.body)


def now_and_then(
    share: float, *, seed: int = 0, faults: Sequence[Fault] = PASSING
) -> Callable[[Request], Fault | None]:
    """Make a policy that fails this share of requests, drawn by seed and request number."""

    def policy(request: Request) -> Fault | None:
        rng = random.Random(f"{seed}/{request.number}")
        return rng.choice(faults) if rng.random() < share else None

    return policy


def when_it_holds(
    is_culprit: Callable[[dict[str, Any]], bool], fault: Fault = NOT_UNDERSTOOD
) -> Callable[[Request], Fault | None]:
    """Make a policy that fails every request with such an event inside."""

    def policy(request: Request) -> Fault | None:
        return fault if any(map(is_culprit, request.events)) else None

    return policy


def above(size: int, fault: Fault = TOO_LARGE) -> Callable[[Request], Fault | None]:
    """Make a policy that fails every request of more than `size` uncompressed bytes."""
    return lambda request: fault if request.size > size else None


def first_of(*policies: Callable[[Request], Fault | None]) -> Callable[[Request], Fault | None]:
    """Combine policies: the first that gives a fault wins."""
    return lambda request: next(filter(None, (policy(request) for policy in policies)), None)
