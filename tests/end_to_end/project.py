"""The installed commands, as processes, in a Meltano project of their own."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from target_mixpanel.mapping.currents import CurrentsMapper
from target_mixpanel.mapping.event import Event
from target_mixpanel.mapping.rules import check_event
from tests.currents_generator import Bucket, read_file

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
SINCE_2010 = 1_262_304_000
LATER = 4_000_000_000


def shortest_float(value: Any) -> Any:
    """A 32-bit float as the shortest decimal with the same bits; anything else as it is."""
    if not isinstance(value, float):
        return value
    for digits in range(1, 10):
        short = float(f"{value:.{digits}g}")
        if struct.pack("f", short) == struct.pack("f", value):
            return short
    return value


def events_expected(bucket: Bucket) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What Mixpanel should hold after everything in the bucket was sent, by its own identity."""
    expected = {}
    for file in bucket.files:
        mapper = CurrentsMapper(file.event_type)
        for record in read_file(bucket.root / file.key):
            event = mapper({name: shortest_float(value) for name, value in record.items()})
            if not isinstance(event, Event):
                continue
            if check_event(event, now=LATER, min_event_time=SINCE_2010) is None:
                parts = event.properties
                identity = (event.event, parts["time"], parts["distinct_id"], parts["$insert_id"])
                expected[identity] = {"event": event.event, "properties": parts}
    return expected


def events_held(server: Any) -> dict[tuple[Any, ...], dict[str, Any]]:
    """What the server holds, by the same identity."""
    return {
        (
            event["event"],
            event["properties"]["time"],
            event["properties"]["distinct_id"],
            event["properties"]["$insert_id"],
        ): event
        for event in server.events()
    }


@dataclass
class Project:
    """A copy of this Meltano project in a folder of its own, with this environment's commands."""

    folder: Path
    server: Any

    @classmethod
    def make(cls, folder: Path, server: Any) -> Project:
        folder.mkdir(parents=True, exist_ok=True)
        for name in ("meltano.yml", "logging.yaml"):
            shutil.copy(ROOT / name, folder)
        (folder / ".venv").symlink_to(Path(sys.prefix))
        return cls(folder, server)

    def environment(self, **settings: str) -> dict[str, str]:
        mixpanel = {
            "TARGET_MIXPANEL_DRY_RUN": "false",
            "TARGET_MIXPANEL_API_URL": self.server.url,
            "TARGET_MIXPANEL_SERVICE_ACCOUNT_USERNAME": "account",
            "TARGET_MIXPANEL_SERVICE_ACCOUNT_PASSWORD": "account-secret",
            "TARGET_MIXPANEL_PROJECT_ID": "12345",
        }
        keep = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("MELTANO", "TAP_", "TARGET_"))
        }
        return {**keep, **mixpanel, **settings}

    def meltano(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [BIN / "meltano", *arguments],
            cwd=self.folder,
            env=self.environment(**settings),
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )


def pipe(
    tap: dict[str, Any], target: dict[str, Any], folder: Path, *tap_arguments: str
) -> tuple[subprocess.CompletedProcess[bytes], int]:
    """Run `tap | target`; gives the target's end and the tap's exit code."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tap.json").write_text(json.dumps(tap))
    (folder / "target.json").write_text(json.dumps(target))
    with (
        (folder / "tap.log").open("wb") as log,
        subprocess.Popen(
            [BIN / "tap-braze-currents", "--config", folder / "tap.json", *tap_arguments],
            stdout=subprocess.PIPE,
            stderr=log,
        ) as source,
    ):
        result = subprocess.run(
            [BIN / "target-mixpanel", "--config", folder / "target.json"],
            stdin=source.stdout,
            capture_output=True,
            timeout=240,
            check=False,
        )
        return result, source.wait(60)
