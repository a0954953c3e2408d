"""Headers by which a service asks to wait."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import pytest

from braze_mixpanel.http.response_headers import http_date, retry_after_seconds


def test_retry_after_is_seconds_or_a_date() -> None:
    soon = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=90), usegmt=True)
    assert retry_after_seconds("12") == 12
    assert 80 < retry_after_seconds(soon) <= 90
    assert (
        retry_after_seconds(None) == retry_after_seconds("soon") == retry_after_seconds("-3") == 0
    )


@pytest.mark.parametrize("header", ["inf", "-inf", "nan", "Mon, 99 Nov 2026", "Thu", "", "1e999"])
def test_a_retry_after_that_makes_no_sense_is_none(header) -> None:
    assert retry_after_seconds(header) == 0


@pytest.mark.parametrize("zone", ["-0000", "", "GMT", "+0000"])
def test_an_http_date_without_a_zone_is_utc(zone) -> None:
    assert http_date(f"Sun, 06 Nov 1994 08:49:37 {zone}") == 784_111_777


def test_nobody_waits_for_longer_than_an_hour() -> None:
    assert retry_after_seconds("99999999") == 3600
    assert retry_after_seconds("Fri, 31 Dec 9999 23:59:59 -0000") == 3600
