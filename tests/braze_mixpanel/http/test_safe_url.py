"""URLs that personal data may be sent to."""

from __future__ import annotations

import pytest

from braze_mixpanel.http.safe_url import is_safe_url


@pytest.mark.parametrize(
    ("url", "safe"),
    [
        ("https://api.mixpanel.com", True),
        ("http://localhost:8000", True),
        ("http://[::1]:8000", True),
        ("http://api.mixpanel.com", False),
        ("ftp://localhost", False),
        ("https://", False),
        ("https://[::1", False),
        ("api.mixpanel.com", False),
    ],
)
def test_personal_data_go_by_https_or_stay_on_the_machine(url, safe) -> None:
    assert is_safe_url(url) == safe
