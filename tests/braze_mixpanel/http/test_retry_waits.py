"""The waits between the attempts of one request."""

from __future__ import annotations

import itertools

from braze_mixpanel.http.retry_waits import retry_waits


def test_waits_double_from_two_seconds_to_sixty_with_one_to_five_more() -> None:
    least = list(itertools.islice(retry_waits(lambda low, _: low), 8))
    most = list(itertools.islice(retry_waits(lambda _, high: high), 8))
    assert least == [3, 5, 9, 17, 33, 61, 61, 61]
    assert most == [7, 9, 13, 21, 37, 65, 65, 65]
