"""`max_rejected_ratio`: when a run fails for what was rejected, and what STATE does then."""

from __future__ import annotations

import pytest

from target_mixpanel.run.rejection_guard import FEW_EVENTS, MANY_EVENTS, TooManyRejectedError
from tests.fakes import mixpanel_faults as faults
from tests.target_mixpanel.harness import (
    STREAM,
    TIME,
    Blocks,
    ImpatientTarget,
    open_record,
    opens,
    record,
    run,
    schema,
    settings,
    state,
)


def bad(count: int) -> bytes:
    return b"".join(record(open_record(number, time=None)) for number in range(count))


def test_events_under_way_count_as_good_while_the_run_goes_on(mixpanel, tmp_path) -> None:
    """Local rejections have their outcome at once; those from Mixpanel come back later."""
    mixpanel.policy = lambda request: faults.Delay(0.3) if request.number else None
    source = b"".join(bad(1) if number % 20 == 0 else opens(1, number) for number in range(8000))
    result = run(schema() + source + state(1), mixpanel, tmp_path)
    assert result.error is None
    assert result.states == [{"bookmarks": {STREAM: 1}}]
    assert result.account.rejected.total() == 400


def test_a_bad_beginning_is_no_bad_run_and_state_waits_for_better(mixpanel, tmp_path) -> None:
    target = ImpatientTarget(config=settings(mixpanel, tmp_path))
    read_by_then = []
    target.write_state = lambda _: read_by_then.append(target.pipeline.account.read.total())
    blocks = [schema() + bad(FEW_EVENTS + 1) + state(1), opens(2000, start=1000) + state(2)]
    target.listen(Blocks(*blocks))
    assert read_by_then
    assert min(read_by_then) > 2000


@pytest.mark.parametrize("good", [FEW_EVENTS, 1000])
def test_at_the_end_any_number_is_judged_before_the_last_state(mixpanel, tmp_path, good) -> None:
    source = schema() + opens(good, start=10_000) + bad(good // 8) + state(1)
    result = run(source, mixpanel, tmp_path)
    assert isinstance(result.error, TooManyRejectedError)
    assert f"{good // 8} of {good + good // 8} events" in str(result.error)
    assert result.states == []
    assert mixpanel.count == good


def test_what_mixpanel_rejects_counts_as_well(mixpanel, tmp_path) -> None:
    mixpanel.now = lambda: TIME - 10_000
    result = run(schema() + opens(FEW_EVENTS + 1) + state(1), mixpanel, tmp_path)
    assert isinstance(result.error, TooManyRejectedError)
    assert result.states == []


def test_from_many_events_on_a_bad_run_does_not_go_on_to_its_end(mixpanel, tmp_path) -> None:
    source = schema() + bad(4 * MANY_EVENTS) + state(1)
    result = run(source + opens(10, start=10**6), mixpanel, tmp_path)
    assert isinstance(result.error, TooManyRejectedError)
    assert result.account.rejected.total() < 4 * MANY_EVENTS
    assert result.states == []


def test_skipped_records_count_neither_way(mixpanel, tmp_path) -> None:
    anonymous = b"".join(record({"id": f"a{n}", "time": TIME}) for n in range(1000))
    result = run(schema() + anonymous + bad(60) + opens(60) + state(1), mixpanel, tmp_path)
    assert isinstance(result.error, TooManyRejectedError)


def test_a_run_that_read_few_events_never_fails_for_them(mixpanel, tmp_path) -> None:
    result = run(schema() + bad(FEW_EVENTS) + state(1), mixpanel, tmp_path)
    assert result.error is None
    assert result.states == [{"bookmarks": {STREAM: 1}}]


def test_a_ratio_of_zero_allows_no_rejected_event_among_few_either(mixpanel, tmp_path) -> None:
    source = schema() + opens(5) + bad(1) + state(1)
    result = run(source, mixpanel, tmp_path, max_rejected_ratio=0)
    assert isinstance(result.error, TooManyRejectedError)
    assert result.states == []
    assert mixpanel.count == 5
