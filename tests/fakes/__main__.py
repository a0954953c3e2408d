"""Runs a Mixpanel and a Braze to try the plugins against: `python -m tests.fakes`."""

from __future__ import annotations

import signal
import sys
import threading

from tests.fakes.fake_braze import API_KEY, FakeBraze
from tests.fakes.fake_mixpanel import FakeMixpanel


def main() -> None:
    """Serve until a signal; print the settings first and what each server received last."""
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with FakeMixpanel() as mixpanel, FakeBraze() as braze:
        settings = {
            "TARGET_MIXPANEL_API_URL": mixpanel.url,
            "TARGET_MIXPANEL_SERVICE_ACCOUNT_USERNAME": "account",
            "TARGET_MIXPANEL_SERVICE_ACCOUNT_PASSWORD": "account-secret",
            "TARGET_MIXPANEL_PROJECT_ID": mixpanel.project_id,
            "TARGET_BRAZE_COHORTS_REST_ENDPOINT": braze.url,
            "TARGET_BRAZE_COHORTS_DELIVERY": "attribute",
            "TARGET_BRAZE_COHORTS_API_KEY": API_KEY,
        }
        for name, value in settings.items():
            say(f"export {name}={value}")
        stopped.wait()
        say(f"# Mixpanel holds {mixpanel.count} events; {mixpanel.duplicates} were duplicates.")
        say(f"# Braze holds the attribute of {len(braze.values)} users.")


def say(line: str) -> None:
    """Print a line at once, also into a pipe."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
