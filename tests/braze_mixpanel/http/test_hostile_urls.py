"""One parser decides where a URL leads, and none of its tricks sends keys or people elsewhere."""

from __future__ import annotations

import pytest

from braze_mixpanel.http.safe_url import host_of, is_safe_url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.2:P\\@127.0.0.1",
        "http://127.0.0.1\\@evil.example",
        "http://127.0.0.1@evil.example",
        "http://localhost@evil.example",
        "http://localhost:80@evil.example/",
        "http://evil.example#@127.0.0.1",
        "http://evil.example?@127.0.0.1",
        "http://127.0.0.1.evil.example",
        "http://localhost.evil.example",
        "http://127.0.0.1\u3002evil.example",
        "http://localhost\uff0eevil.example",
        "http://127.0.0.1%2eevil.example",
        "http://127.0.0.1\tevil.example",
        "http://127.0.0.1 .evil.example",
        "http://127.0.0.1\r\nHost: evil.example",
        "http://2130706433.evil.example",
        "http://[::1].evil.example",
        "http://[::1]@evil.example",
        "http://0x7f.1",
        "http:///127.0.0.1",
        "http:127.0.0.1",
        "//127.0.0.1",
        "file:///etc/passwd",
        "gopher://127.0.0.1",
        "https://",
        "https:///path",
        "https://[::1",
        "https://host:port",
        "https://host:99999",
        "https://\x00host",
        "",
    ],
)
def test_a_url_that_two_parsers_may_read_differently_is_not_safe(url) -> None:
    assert not is_safe_url(url)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://rest.iad-01.braze.com/", "rest.iad-01.braze.com"),
        ("https://user:password@rest.iad-01.braze.com", "rest.iad-01.braze.com"),
        ("http://127.0.0.1:8080", "127.0.0.1"),
        ("HTTPS://API.MIXPANEL.COM", "api.mixpanel.com"),
    ],
)
def test_the_host_is_that_of_the_http_library(url, host) -> None:
    assert host_of(url) == host
    assert is_safe_url(url)
