"""The random histories of `test_bookmark`, in buckets of S3, Google and Azure, by HTTP."""

from __future__ import annotations

import base64
import contextlib
import itertools
from contextlib import ExitStack
from random import Random

import pytest
from hypothesis import HealthCheck, settings

from tests.fakes.fake_buckets import FakeBuckets, Refusal, serving
from tests.tap_braze_currents.planning import test_bookmark

THROTTLED_SHARE = 0.05
FEW = settings(
    max_examples=12,
    stateful_step_count=8,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)


class StoreMachine(test_bookmark.BucketMachine):
    """Files come, also between two pages of a listing; some requests are throttled or cut off."""

    scheme = ""

    def open_bucket(self):
        self.server = FakeBuckets(page_size=2)
        self.server.buckets["company"] = {}
        self.server.refuse = self.throttle_some
        self.random = Random(1)
        self.upon_list = lambda: None
        self.closing = ExitStack()
        self.closing.enter_context(serving(self.server))
        options = {**self.options(), "retry_config": {"backoff": {"init_backoff": 0.001}}}
        self.storage = {
            "storage_url": f"{self.scheme}://company/prod",
            "storage_options": {**options, "endpoint_url": self.server.url},
        }

    def options(self):
        raise NotImplementedError

    def close_bucket(self):
        self.closing.close()

    def store_file(self, key, content, modified):
        self.server.put("company", f"prod/{key}", content, modified)

    def throttle_some(self, request):
        if request.is_list:
            self.upon_list()
        if self.random.random() < THROTTLED_SHARE:
            return Refusal(503, "SlowDown")
        self.server.cuts += self.random.random() < THROTTLED_SHARE
        return None

    @contextlib.contextmanager
    def arriving(self, after, coming):
        calls = itertools.count()

        def let_arrive():
            if next(calls) == after:
                arrived.extend(map(self.put_file, coming))

        arrived: list[str] = []
        self.upon_list = let_arrive
        yield
        self.upon_list = lambda: None
        for number in arrived:
            self.note_if_late(number)


class S3Machine(StoreMachine):
    scheme = "s3"

    def options(self):
        return {"key": "key", "secret": "secret"}


class GoogleMachine(StoreMachine):
    scheme = "gs"

    def options(self):
        return {"token": "anon", "project": "test"}


class AzureMachine(StoreMachine):
    scheme = "az"

    def options(self):
        return {"account_name": "acme", "account_key": base64.b64encode(b"key").decode()}


TestS3Histories = pytest.mark.slow(S3Machine.TestCase)
TestGoogleHistories = pytest.mark.slow(GoogleMachine.TestCase)
TestAzureHistories = pytest.mark.slow(AzureMachine.TestCase)
TestS3Histories.settings = TestGoogleHistories.settings = TestAzureHistories.settings = FEW
