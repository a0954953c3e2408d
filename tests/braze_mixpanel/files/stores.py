"""A store of each cloud on loopback, and what lies in it."""

from __future__ import annotations

import base64
from contextlib import contextmanager
from typing import NamedTuple

from braze_mixpanel.singer.message_reader import decode_line
from tests.fakes.fake_buckets import FakeBuckets, serving

SCHEMES = ("s3", "gs", "abfs")
NO_RETRIES = {"retry_config": {"max_retries": 0}}


class Cloud(NamedTuple):
    """A place in a bucket, the options to reach it, and the server behind it."""

    url: str
    options: dict
    server: FakeBuckets

    @property
    def objects(self):
        return dict(sorted(self.server.buckets["company"].items()))

    @property
    def puts(self):
        return [request for request in self.server.requests if request.method == "PUT"]

    def records(self):
        """The RECORD messages of all objects; each must have its SCHEMA in the same object."""
        found = []
        for key, content in self.objects.items():
            assert content.endswith(b"\n"), f"{key} ends in the middle of a line"
            known = set()
            for line in content.splitlines():
                message = decode_line(line)
                if message["type"] == "SCHEMA":
                    known.add(message["stream"])
                else:
                    assert message["stream"] in known, f"{key} lacks a SCHEMA"
                    found.append(message)
        return found


def options_for(scheme, url):
    if scheme == "s3":
        return {"key": "k" * 20, "secret": "s" * 40, "endpoint_url": url}
    if scheme == "gs":
        return {"token": "ya29.made-up", "endpoint_url": url}
    key = base64.b64encode(b"key").decode()
    return {"account_name": "acme", "account_key": key, "endpoint_url": url}


@contextmanager
def cloud(scheme="s3"):
    server = FakeBuckets()
    server.buckets["company"] = {}
    with serving(server):
        yield Cloud(f"{scheme}://company/dead", options_for(scheme, server.url), server)
