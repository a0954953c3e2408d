"""Runs a Mixpanel and a Braze to try the plugins against: `python -m tests.fakes`.

Mixpanel's import API and its query API are two servers, as they are at Mixpanel.
"""

from __future__ import annotations

import signal
import sys
import threading

from tests.fakes.fake_braze import API_KEY, FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel
from tests.fakes.mixpanel_query_api import PASSWORD, PROJECT, USERNAME, MixpanelQueryApi

COHORTS = {1001: ("VIP", 120), 1002: ("Lapsed buyers", 45)}
"""Made-up cohorts of the query API: id → name and number of people."""


def main() -> None:
    """Serve until a signal; print the settings first and what each server received last."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with FakeMixpanel() as mixpanel, MixpanelQueryApi() as queries, FakeBraze() as braze:
        for cohort_id, (name, size) in COHORTS.items():
            queries.put(cohort_id, name, [f"user-{number}" for number in range(size)])
        settings = {
            "TARGET_MIXPANEL_API_URL": mixpanel.url,
            "TARGET_MIXPANEL_SERVICE_ACCOUNT_USERNAME": "account",
            "TARGET_MIXPANEL_SERVICE_ACCOUNT_PASSWORD": "account-secret",
            "TARGET_MIXPANEL_PROJECT_ID": mixpanel.project_id,
            "TAP_MIXPANEL_COHORTS_API_URL": queries.url,
            "TAP_MIXPANEL_COHORTS_SERVICE_ACCOUNT_USERNAME": USERNAME,
            "TAP_MIXPANEL_COHORTS_SERVICE_ACCOUNT_PASSWORD": PASSWORD,
            "TAP_MIXPANEL_COHORTS_PROJECT_ID": PROJECT,
            "TARGET_BRAZE_COHORTS_REST_ENDPOINT": braze.url,
            "TARGET_BRAZE_COHORTS_DELIVERY": "attribute",
            "TARGET_BRAZE_COHORTS_API_KEY": API_KEY,
        }
        for name, value in settings.items():
            say(f"export {name}={value}")
        stopped.wait()
        say(f"# Mixpanel holds {mixpanel.count} events; {mixpanel.duplicates} were duplicates.")
        say(f"# Mixpanel's query API was asked {len(queries.asked)} times.")
        say(f"# Braze holds the attribute of {len(braze.values)} users.")


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
