"""What each of Mixpanel's answers means."""

from __future__ import annotations

import pytest

from target_mixpanel.sending.client import MixpanelAnswer
from target_mixpanel.sending.outcomes import (
    CredentialsRefused,
    Failure,
    Retry,
    Settled,
    Split,
    Unknown,
    interpret,
)


def failed(*indexes, **more) -> dict:
    entries = [{"index": i, "insert_id": "x", "field": "time", "message": "bad"} for i in indexes]
    return {"code": 400, "failed_records": entries, **more}


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (MixpanelAnswer(200, {"num_records_imported": 3}), Settled()),
        (MixpanelAnswer(200, {"num_records_imported": 2}), Unknown),
        (MixpanelAnswer(200, {}), Unknown),
        (
            MixpanelAnswer(400, failed(1, num_records_imported=2)),
            Settled((Failure(1, "time", "bad"),)),
        ),
        (
            MixpanelAnswer(400, failed(0, 1, 2)),
            Settled(tuple(Failure(n, "time", "bad") for n in range(3))),
        ),
        (MixpanelAnswer(400, failed(1, num_records_imported=1)), Unknown),
        (MixpanelAnswer(400, failed(3)), Split),
        (MixpanelAnswer(400, failed(-1)), Split),
        (MixpanelAnswer(400, {"failed_records": []}), Split),
        (MixpanelAnswer(400, {"failed_records": ["?"]}), Split),
        (MixpanelAnswer(400, {}), Split),
        (MixpanelAnswer(413, {}), Split),
        (MixpanelAnswer(401, {}), CredentialsRefused),
        (MixpanelAnswer(403, {}), CredentialsRefused),
        (MixpanelAnswer(429, {}, 7.0), Retry),
        (MixpanelAnswer(408, {}), Retry),
        (MixpanelAnswer(500, {}), Retry),
        (MixpanelAnswer(503, {}), Retry),
        (MixpanelAnswer(0, {}, problem="ConnectionError"), Retry),
        (MixpanelAnswer(302, {}), Unknown),
        (MixpanelAnswer(404, {}), Unknown),
        (MixpanelAnswer(202, {"num_records_imported": 3}), Unknown),
    ],
)
def test_each_answer_has_one_meaning(answer, outcome) -> None:
    found = interpret(answer, 3)
    assert isinstance(found, outcome) if isinstance(outcome, type) else found == outcome


def test_retry_after_is_kept() -> None:
    assert interpret(MixpanelAnswer(429, {}, 7.0), 1) == Retry("429", 7.0)
