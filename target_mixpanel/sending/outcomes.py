"""What an answer of Mixpanel means for the events of the request. Pure.

Source: the answers of `/import` in Mixpanel's reference, and its advice on retries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_mixpanel.sending.client import Answer

OK: Final = 200
BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
REQUEST_TIMEOUT: Final = 408
TOO_LARGE: Final = 413
TOO_MANY_REQUESTS: Final = 429
NO_ANSWER: Final = 0
FIRST_SERVER_ERROR: Final = 500
_PASSING: Final = frozenset({NO_ANSWER, REQUEST_TIMEOUT, TOO_MANY_REQUESTS})


@dataclass(frozen=True)
class Failure:
    """One event that Mixpanel did not take, with its own words for why."""

    index: int
    field: str | None
    message: str


@dataclass(frozen=True)
class Settled:
    """Every event has its outcome: all were imported but the failures."""

    failures: tuple[Failure, ...] = field(default=())


@dataclass(frozen=True)
class Split:
    """The request as a whole was refused: try its halves; alone, an event is refused so."""

    message: str


@dataclass(frozen=True)
class Retry:
    """A passing trouble: send the same again, not before so many seconds."""

    message: str
    seconds: float


@dataclass(frozen=True)
class CredentialsRefused:
    """Nothing will be taken until somebody changes the credentials."""

    message: str


@dataclass(frozen=True)
class Unknown:
    """An answer that nobody documented: going on could lose or double events."""

    message: str


Lasting = Settled | Split | CredentialsRefused | Unknown
Outcome = Lasting | Retry


def interpret(answer: Answer, sent: int) -> Outcome:
    """Tell what to do after an answer.

    Args:
        answer: The answer to a request.
        sent: How many events were in the request.
    """
    status = answer.status
    if status in (OK, BAD_REQUEST):
        return _read_counts(answer, sent)
    words = describe(answer)
    if status == TOO_LARGE:
        return Split(words)
    if status in (UNAUTHORIZED, FORBIDDEN):
        return CredentialsRefused(words)
    if status in _PASSING or status >= FIRST_SERVER_ERROR:
        return Retry(words, answer.retry_after)
    return Unknown(words)


def _read_counts(answer: Answer, sent: int) -> Outcome:
    imported = answer.body.get("num_records_imported")
    if answer.status == OK:
        if imported == sent:
            return Settled()
        return Unknown(f"it says that {imported} of {sent} events were imported, and no more")
    failures = _failures(answer.body, sent)
    if failures is None:
        return Split(describe(answer))
    if imported is not None and imported != sent - len(failures):
        return Unknown(
            f"of {sent} events it says that {imported} were imported and {len(failures)} failed"
        )
    return Settled(failures)


def _failures(body: Mapping[str, Any], sent: int) -> tuple[Failure, ...] | None:
    """Read `failed_records`; None if they do not say which events failed."""
    listed = body.get("failed_records")
    if not isinstance(listed, list) or not listed:
        return None
    failures: dict[int, Failure] = {}
    for entry in listed:
        index = entry.get("index") if isinstance(entry, dict) else None
        if not isinstance(index, int) or isinstance(index, bool) or not 0 <= index < sent:
            return None
        name = entry.get("field")
        failures.setdefault(
            index, Failure(index, str(name) if name else None, str(entry.get("message") or ""))
        )
    return tuple(failures.values())


def describe(answer: Answer) -> str:
    """Say in a few words what Mixpanel answered."""
    if answer.status == NO_ANSWER:
        return f"no answer ({answer.problem})"
    said = answer.body.get("error") or answer.body.get("status") or ""
    return f"{answer.status} {said}".strip()
