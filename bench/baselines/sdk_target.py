"""A target on the SDK's ordinary way: BatchSink, requests, gzip."""

from __future__ import annotations

import gzip
import json
from typing import Any

import requests
from singer_sdk import BatchSink, Target
from singer_sdk import typing as th

from bench.baselines.events import to_event

_session = requests.Session()


class MixpanelBatchSink(BatchSink):
    """Sends 2,000 events at a time, one request after the other."""

    max_size = 2000

    def process_batch(self, context: dict[str, Any]) -> None:
        """Map, compress and send what the SDK has collected."""
        events = [to_event(self.stream_name, record, json.loads) for record in context["records"]]
        answer = _session.post(
            f"{self.config['api_url']}/import?strict=1",
            data=gzip.compress(json.dumps(events, default=str).encode()),
            headers={"Content-Type": "application/json", "Content-Encoding": "gzip"},
            auth=(self.config["project_token"], ""),
            timeout=60,
        )
        answer.raise_for_status()


class OrdinaryTarget(Target):
    """The target that one would write in an afternoon."""

    name = "target-ordinary"
    config_jsonschema = th.PropertiesList(
        th.Property("api_url", th.StringType, required=True),
        th.Property("project_token", th.StringType, required=True),
    ).to_dict()
    default_sink_class = MixpanelBatchSink


if __name__ == "__main__":
    OrdinaryTarget.cli()
