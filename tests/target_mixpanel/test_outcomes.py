"""What each of Mixpanel's answers means, and which STATE is safe when."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from target_mixpanel.run.ledger import Ledger
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


@given(st.data())
def test_no_state_runs_ahead_of_a_batch_that_is_not_settled(data) -> None:
    """STATE s<n> is sent right after batch n; batches settle in any order."""
    count = data.draw(st.integers(0, 12))
    ledger = Ledger()
    for number in range(count):
        ledger.state_arrived({"through": number}, last_batch=number)
    settled: set[int] = set()
    passed = -1
    for number in data.draw(st.permutations(range(count))):
        ledger.batch_settled(number)
        settled.add(number)
        state = ledger.take_safe_state()
        if state:
            assert state["through"] > passed
            passed = state["through"]
        assert set(range(passed + 1)) <= settled
        assert passed + 1 not in settled
    assert passed == count - 1
    assert ledger.take_safe_state() is None


def test_a_state_before_any_record_is_safe_at_once() -> None:
    ledger = Ledger()
    ledger.state_arrived({"a": 1}, last_batch=-1)
    assert ledger.take_safe_state() == {"a": 1}
