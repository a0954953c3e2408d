"""What Braze's answer to one request says. Pure.

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
    """Braze's answer to one request.

    Attributes:
        status: HTTP status; 0 without a complete response (timeout, broken connection).
        message: Braze's message, or the error of the connection; shortened.
        wait: Seconds that Braze asks to wait; 0 if it does not.
        refused: People whom the answer names as refused: index in the request → reason. Beside a
            success the others are accepted; beside 400 nobody is.
        refused_unnamed: Reason of an error in a successful answer that names no person, or None.
        from_braze: Whether it has the form of Braze's answers; a proxy or another service may
            answer every request with 200.
        rate_limit: The rate limit that it states, or None.
        is_retry: Whether the same request was sent before; then Braze may have applied it already.
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
        """Whether the status is a success, also if a proxy sent it."""
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
    """Read `Retry-After`, or when the rate limit starts again where no requests are left."""
    wait = retry_after_seconds(headers.get("Retry-After"), now)
    if wait or limit is None or limit.remaining > 0:
        return wait
    return limit.seconds


def _errors(content: Mapping[str, Any]) -> tuple[dict[int, str], str | None]:
    """Read the errors in an answer of `/users/track`: people whom it refuses."""
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
