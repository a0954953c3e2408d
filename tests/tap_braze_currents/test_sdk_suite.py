"""The SDK's standard tests for taps, over a few event types: each test runs for each field."""

from __future__ import annotations

import atexit
import shutil
import tempfile

from singer_sdk.testing import SuiteConfig, get_tap_test_class

from tests.currents_generator import ALL_FIELDS, generate
from tests.tap_braze_currents.conftest import tap_of

TYPES = [
    "users.behaviors.CustomEvent",
    "users.behaviors.Purchase",
    "users.messages.email.Open",
    "users.messages.whatsapp.Send",
]

# The SDK lists the tests, and reads the tap's records for it, before a fixture could run.
BUCKET = tempfile.mkdtemp(prefix="currents-")
atexit.register(shutil.rmtree, BUCKET, ignore_errors=True)
generate(BUCKET, events=200, types=TYPES, versions=[ALL_FIELDS])


TestTapBrazeCurrents = get_tap_test_class(
    tap_of(*TYPES),
    config={"storage_url": BUCKET, "settle_seconds": 0},
    suite_config=SuiteConfig(ignore_no_records=False),
)
