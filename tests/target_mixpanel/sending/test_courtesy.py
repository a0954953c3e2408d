"""What Mixpanel learns about its caller, and what the user learns about the API secret."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from braze_mixpanel.clock import Clock
from target_mixpanel.sending.credentials import api_secret_warning, choose_credentials
from tests.target_mixpanel.harness import ImpatientTarget, opens, run, schema

SECRET = choose_credentials({"api_secret": "s"})
TOKEN = choose_credentials({"project_token": "t"})


def at(year: int, month: int, day: int) -> float:
    return datetime(year, month, day, tzinfo=timezone.utc).timestamp()


def test_every_request_names_the_integration(mixpanel, tmp_path):
    assert run(schema() + opens(1), mixpanel, tmp_path).error is None
    assert mixpanel.requests
    for request in mixpanel.requests:
        assert request.headers["X-Mixpanel-Integration-ID"] == "braze-mixpanel"


@pytest.mark.parametrize(
    ("now", "warned"),
    [
        (at(2026, 12, 2), False),
        (at(2026, 12, 3), True),
        (at(2027, 3, 2), True),
        (at(2027, 6, 1), True),
    ],
)
def test_the_api_secret_warns_with_its_date_from_90_days_before(now, warned):
    warning = api_secret_warning(SECRET, now)
    assert (warning is not None) is warned
    assert warning is None or "3 March 2027" in warning
    assert api_secret_warning(TOKEN, now) is None


def test_a_run_with_the_api_secret_logs_the_warning(mixpanel, tmp_path, caplog):
    class LateTarget(ImpatientTarget):
        clock = Clock(wall=lambda: at(2027, 1, 1))

    keys = dict.fromkeys(("service_account_username", "service_account_password", "project_id"))
    run(schema(), mixpanel, tmp_path, target_class=LateTarget, api_secret="api-secret", **keys)
    assert caplog.text.count("3 March 2027") == 1
