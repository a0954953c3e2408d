#!/usr/bin/env python3
"""Splits a backfill into parts by day and group of streams.

    parts.py 2026-11-01 2026-11-04 > parts.meltano.yml    # the last day is not read

Each part is an extractor with a name of its own in meltano.yml, because runs of one name share
files and must not run at the same time. Include the file in meltano.yml with
`include_paths: [parts.meltano.yml]`. Then run the parts in any order, several at a time:

    meltano run tap-braze-currents--2026-11-01-email target-mixpanel

The output is JSON, which is also YAML.
"""

from __future__ import annotations

import json
import sys
from datetime import date, timedelta
from typing import Any

TAP = "tap-braze-currents"
GROUPS = {
    "email": ["users_messages_email_*.*"],
    "push": ["users_messages_pushnotification_*.*"],
    "messages": [
        "users_messages_contentcard_*.*",
        "users_messages_inappmessage_*.*",
        "users_messages_newsfeedcard_*.*",
        "users_messages_sms_*.*",
        "users_messages_webhook_*.*",
    ],
    "behaviors": ["users_behaviors_*.*", "users_campaigns_*.*", "users_canvas_*.*"],
}
"""Groups of streams; no stream may be in two. Change them to what you select."""


def days(first: str, end: str) -> list[str]:
    """List the days from the first to the one before the end, as ISO dates."""
    start, count = date.fromisoformat(first), date.fromisoformat(end) - date.fromisoformat(first)
    return [(start + timedelta(days=number)).isoformat() for number in range(count.days)]


def next_day(day: str) -> str:
    """Return the day after."""
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


def part(day: str, group: str) -> dict[str, Any]:
    """Describe the extractor that reads one group of streams of one day."""
    return {
        "name": f"{TAP}--{day}-{group}",
        "inherit_from": TAP,
        "select": GROUPS[group],
        "config": {"start_date": day, "end_date": next_day(day)},
    }


def parts(first: str, end: str) -> list[dict[str, Any]]:
    """Describe all parts of a backfill."""
    return [part(day, group) for day in days(first, end) for group in GROUPS]


def meltano_file(first: str, end: str) -> str:
    """Write the file that meltano.yml includes."""
    return json.dumps({"plugins": {"extractors": parts(first, end)}}, indent=1) + "\n"


if __name__ == "__main__":
    sys.stdout.write(meltano_file(*sys.argv[1:]))
