"""A hostile body is a page or is refused with 400, never with what Mixpanel would retry."""

from __future__ import annotations

import json
import random
import time

import pytest

from tap_mixpanel_cohorts.inbox.push import BadPushError, read_push
from tests.test_fuzzed_singer_lines import TOKENS, odd_value

PROPERTIES = ("$braze_external_id",)
PUSH = {
    "action": "members",
    "parameters": {
        "mixpanel_project_id": "1",
        "mixpanel_cohort_id": "2",
        "mixpanel_cohort_name": "VIP",
        "mixpanel_cohort_description": "",
        "mixpanel_session_id": "s",
        "page_info": {"total_pages": 1, "page_count": 1},
        "members": [
            {"mixpanel_distinct_id": f"user-{number}", "$braze_external_id": f"b-{number}"}
            for number in range(3)
        ],
    },
}


def test_changed_bodies_are_read_or_refused() -> None:
    choose = random.Random(7)
    read = refused = 0
    for _ in range(3000):
        push = json.loads(json.dumps(PUSH))
        for _ in range(choose.randint(0, 3)):
            odd_value(choose, push)
        body = json.dumps(push).encode()
        if choose.random() < 0.4:
            place = choose.randrange(len(body))
            body = body[:place] + choose.choice(TOKENS) + body[place + choose.randint(0, 5) :]
        try:
            page = read_push(body, PROPERTIES)
        except BadPushError:
            refused += 1
        else:
            read += 1
            assert "\0" not in page.cohort_id + page.name + page.description + page.session_id
            assert all(isinstance(who, bytes) for who, _ in page.members)
    assert read > 300
    assert refused > 300


@pytest.mark.parametrize(
    "body",
    [
        b"[" * 5_000_000,
        b'{"a":' * 1_000_000,
        b"9" * 9_000_000,
        b'{"action":"' + b'\\"' * 4_000_000,
        b'"' * 9_000_000,
        b"[" + b"1," * 4_000_000 + b"1]",
        b'{"action":"members","action":"members","parameters":{}}',
        b"\x1f\x8b\x08\x00",
        b"\xff\xfe{\x00}\x00",
        b"",
    ],
    ids=lambda body: body[:12],
)
def test_a_body_made_to_cost_time_is_refused_soon(body) -> None:
    began = time.process_time()
    with pytest.raises(BadPushError):
        read_push(body, PROPERTIES)
    assert time.process_time() - began < 5
