"""Which STATE is safe to pass on, and when."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from target_mixpanel.run.ledger import Ledger


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
