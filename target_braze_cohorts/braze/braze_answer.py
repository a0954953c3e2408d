"""Interpret Braze's answer to one request. Pure.

Source: the errors of the partner cohort import and of `/users/track` in Braze's API reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

from braze_mixpanel.http.json_body import json_object
from braze_mixpanel.http.rate_limit import RateLimit, read_rate_limit
from braze_mixpanel.http.response_headers import http_date, retry_after_seconds
from braze_mixpanel.settings.redaction import masked

if TYPE_CHECKING:
    from collections.abc import Mapping

    from braze_mixpanel.http.bounded_session import HttpResponse

_FIRST_SUCCESS: Final = 200
FIRST_REDIRECT: Final = 300
_FIRST_SERVER_ERROR: Final = 500
_TEMPORARY: Final = frozenset({0, 408, 423, 429})
"""No response, a timeout, a locked cohort, too many requests."""
_MOST_SHOWN: Final = 200


class BrazeAnswer(NamedTuple):
    """Braze's response to one request.

    Attributes:
        status: The HTTP status. 0 without a complete response (timeout, broken connection).
        message: Braze's message or the error of the connection, shortened.
        wait: The seconds to wait before the next request. 0 if Braze asks for no wait.
        refused: Index of a person in the request → the reason why Braze refused the person. With a
            success status, all other people are accepted. With status 400, no person is.
        refused_unnamed: The reason of an error that names no person, in a response with a success
            status. None if there is no such error.
        from_braze: Whether the response has the form of Braze's responses. A proxy or another
            service may answer every request with 200.
        rate_limit: The rate limit in the headers, or None.
        is_retry: Whether the same request was sent before. Then Braze may already have applied it.
    """

    status: int
    message: str = ""
    wait: float = 0.0
    refused: Mapping[int, str] = {}
    refused_unnamed: str | None = None
    from_braze: bool = True
    rate_limit: RateLimit | None = None
    is_retry: bool = False

    @property
    def accepted(self) -> bool:
        """Whether Braze accepted the request."""
        return self.from_braze and self.is_success

    @property
    def is_success(self) -> bool:
        """Whether the status is a success. The response may still come from a proxy."""
        return _FIRST_SUCCESS <= self.status < FIRST_REDIRECT

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may succeed later."""
        return self.status in _TEMPORARY or self.status >= _FIRST_SERVER_ERROR


def read_answer(response: HttpResponse, now: float) -> BrazeAnswer:
    """Read a complete response.

    Args:
        response: Of Braze, or of what is in its place.
        now: UNIX seconds of this machine, used if the response has no date.
    """
    content = json_object(response.content)
    refused, unnamed = _errors(content)
    now = http_date(response.headers.get("Date", "")) or now
    limit = read_rate_limit(response.headers, now)
    return BrazeAnswer(
        response.status,
        masked(str(content.get("message", response.reason)))[:_MOST_SHOWN],
        _wait(response.headers, limit, now),
        refused,
        unnamed,
        from_braze=isinstance(content.get("message"), str),
        rate_limit=limit,
    )


def _wait(headers: Mapping[str, str], limit: RateLimit | None, now: float) -> float:
    """Return the seconds to wait: `Retry-After`, or else until an exhausted rate limit resets."""
    wait = retry_after_seconds(headers.get("Retry-After"), now)
    if wait or limit is None or limit.remaining > 0:
        return wait
    return limit.seconds


def _errors(content: Mapping[str, Any]) -> tuple[dict[int, str], str | None]:
    """Return the errors in a response of `/users/track`.

    Returns:
        Index in the request → reason for people whom Braze names, and the reason of an error that
        names no person, or None.
    """
    named: dict[int, str] = {}
    unnamed = None
    errors = content.get("errors")
    for error in errors if isinstance(errors, list) else []:
        index = error.get("index") if isinstance(error, dict) else None
        words = str(error.get("type") if isinstance(error, dict) else error)
        reason = masked(words)[:_MOST_SHOWN]
        if isinstance(index, int) and not isinstance(index, bool) and index >= 0:
            named[index] = reason
        else:
            unnamed = reason
    return named, unnamed
