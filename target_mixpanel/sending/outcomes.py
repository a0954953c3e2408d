"""Interpret Mixpanel's responses: what a response means for the events of the request. Pure.

Source: the responses of `/import` in Mixpanel's reference, and its advice on retries.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from target_mixpanel.sending.client import MixpanelAnswer

OK: Final = 200
BAD_REQUEST: Final = 400
UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
REQUEST_TIMEOUT: Final = 408
TOO_LARGE: Final = 413
TOO_MANY_REQUESTS: Final = 429
NO_ANSWER: Final = 0
FIRST_SERVER_ERROR: Final = 500
_TEMPORARY: Final = frozenset({NO_ANSWER, REQUEST_TIMEOUT, TOO_MANY_REQUESTS})


@dataclass(frozen=True)
class Failure:
    """One event that Mixpanel rejected, with Mixpanel's message."""

    index: int
    field: str | None
    message: str


@dataclass(frozen=True)
class Settled:
    """All events have an outcome: all were imported except for the failures."""

    failures: tuple[Failure, ...] = field(default=())


@dataclass(frozen=True)
class Split:
    """Mixpanel refused the request as a whole: send its halves. A single event is rejected."""

    message: str


@dataclass(frozen=True)
class Retry:
    """A temporary failure: send the same request again after at least `seconds`."""

    message: str
    seconds: float


@dataclass(frozen=True)
class CredentialsRefused:
    """Mixpanel rejects the credentials, so no event can be imported."""

    message: str


@dataclass(frozen=True)
class Unknown:
    """An undocumented response. To go on could lose events or send them twice."""

    message: str


FinalOutcome = Settled | Split | CredentialsRefused | Unknown
Outcome = FinalOutcome | Retry


def interpret(answer: MixpanelAnswer, sent: int) -> Outcome:
    """Return what to do after a response.

    Args:
        answer: The response to a request.
        sent: The number of events in the request.
    """
    status = answer.status
    if status in (OK, BAD_REQUEST) and answer.is_cut:
        return Retry(f"{status}, an answer that was cut short", answer.retry_after)
    if status in (OK, BAD_REQUEST):
        return _read_counts(answer, sent)
    words = describe(answer)
    if status == TOO_LARGE:
        return Split(words)
    if status in (UNAUTHORIZED, FORBIDDEN):
        return CredentialsRefused(words)
    if status in _TEMPORARY or status >= FIRST_SERVER_ERROR:
        return Retry(words, answer.retry_after)
    return Unknown(words)


def _read_counts(answer: MixpanelAnswer, sent: int) -> Outcome:
    imported = answer.body.get("num_records_imported")
    if answer.status == OK:
        if imported == sent:
            return Settled()
        if imported is None:
            return Unknown(f"200, and it does not say how many of {sent} events were imported")
        return Unknown(f"it says that only {imported} of {sent} events were imported")
    failures = _failures(answer.body, sent)
    if failures is None:
        return Split(describe(answer))
    if imported is not None and imported != sent - len(failures):
        return Unknown(
            f"of {sent} events it says that {imported} were imported and {len(failures)} failed"
        )
    return Settled(failures)


def _failures(body: Mapping[str, Any], sent: int) -> tuple[Failure, ...] | None:
    """Return `failed_records`, or None if the response does not show which events failed."""
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


def describe(answer: MixpanelAnswer) -> str:
    """Return a short description of a response, for messages."""
    if answer.status == NO_ANSWER:
        return f"no answer ({answer.problem})"
    said = answer.body.get("error") or answer.body.get("status") or ""
    return f"{answer.status} {said}".strip()
